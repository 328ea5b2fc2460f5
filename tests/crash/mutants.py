"""The engine broken on purpose, one line each. A sweep that misses one of these has no teeth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A patch to one shipped file of the package `pipeline`: `old` stands there exactly once."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "no_intent_record",
        "engine.py",
        "            writer.write(Intent(step.name))\n",
        "            writer.told.intents.append(step.name)\n",
    ),
    Mutant(
        "no_intent_of_the_last_step",
        "engine.py",
        "        writer.write(Intent(last.name))\n",
        "        writer.told.intents.append(last.name)\n",
    ),
    Mutant(
        "no_sync_of_a_record",
        "writer.py",
        "            self._disk.sync(self.path)\n        except",
        "        except",
    ),
    Mutant(
        "record_synced_before_it_is_written",
        "writer.py",
        "            self._disk.append(self.path, data)\n            self._disk.sync(self.path)\n"
        "        except",
        "            self._disk.sync(self.path)\n            self._disk.append(self.path, data)\n"
        "        except",
    ),
    Mutant(
        "no_sync_of_the_new_name",
        "journal.py",
        "        self.disk.sync(path)\n        self.disk.sync_folder(self.folder)\n",
        "        self.disk.sync(path)\n",
    ),
    Mutant(
        "no_sync_of_the_archive",
        "journal.py",
        "            self.disk.sync_folder(self.done)\n",
        "",
    ),
    Mutant(
        "no_crc_check",
        "records.py",
        '    if zlib.crc32(body) != int.from_bytes(data[at + 4 : at + _FRAME], "big"):\n',
        '    if data[at + 4 : at + _FRAME] == b"":\n',
    ),
    Mutant(
        "length_zero_accepted",
        "records.py",
        "if not 0 < size < MAX_RECORD:",
        "if not 0 <= size < MAX_RECORD or not data[at:]:",
    ),
    Mutant(
        "torn_tail_not_cut",
        "journal.py",
        "            if found.good < len(data):\n",
        "            if False:\n",
    ),
    Mutant(
        "torn_first_record_kept",
        "journal.py",
        "                self.disk.remove(path)\n"
        "                self.disk.sync_folder(self.folder)\n                return None\n",
        "                return None\n",
    ),
    Mutant(
        "undo_oldest_first", "outcome.py", "    for step in reversed(steps):\n", "    for step in steps:\n"
    ),
    Mutant(
        "undo_only_what_is_done",
        "outcome.py",
        "        if step.name in writer.told.intents and",
        "        if step.name in [name for name, _, _ in writer.told.ran] and",
    ),
    Mutant(
        "undone_before_it_is_undone",
        "outcome.py",
        "    tell(writer, Undoing(step.name))\n",
        "    tell(writer, Undoing(step.name))\n    tell(writer, Undone(step.name))\n",
    ),
    Mutant(
        "end_before_undoing",
        "outcome.py",
        "    for step in reversed(steps):\n",
        "    tell(writer, end)\n    for step in reversed(steps):\n",
    ),
    Mutant(
        "undoing_stops_without_a_journal",
        "outcome.py",
        "    with suppress(*CAUGHT):\n        writer.write(entry)\n",
        "    writer.write(entry)\n",
    ),
    Mutant(
        "commit_judged_by_the_own_record",
        "recover.py",
        "if writer.told.undoing or not taken(last, writer):",
        "if last.name not in [name for name, _, _ in writer.told.ran]:",
    ),
    Mutant(
        "never_rolls_forward",
        "recover.py",
        "if writer.told.undoing or not taken(last, writer):",
        "if last is not None:",
    ),
    Mutant(
        "publishing_not_finished",
        "recover.py",
        "    line = complete(last, writer)\n",
        '    line = ""\n',
    ),
    Mutant(
        "failed_publishing_not_asked_about",
        "engine.py",
        "        if not taken(last, writer):\n",
        "        if True:\n",
    ),
    Mutant(
        "failed_publishing_not_finished",
        "engine.py",
        "        line = complete(last, writer)\n",
        '        line = ""\n',
    ),
    Mutant(
        "number_used_again",
        "journal.py",
        "return 1 + max([*numbers(self.disk, self.folder), *numbers(self.disk, self.done)], default=0)",
        "return 1 + max(numbers(self.disk, self.folder), default=0)",
    ),
    Mutant(
        "begin_names_another_release",
        "journal.py",
        "            data = HEADER + frame(Begin(release, tuple(steps)))\n",
        '            data = HEADER + frame(Begin(msgspec.structs.replace(release, id="r1"), tuple(steps)))\n',
    ),
    Mutant(
        "archived_before_settled",
        "outcome.py",
        "        writer.write(end)\n        settle(",
        "        writer.write(end)\n        journal.archive(writer)\n        settle(",
    ),
    Mutant(
        "settled_before_it_is",
        "outcome.py",
        "        try:\n            step.settle(",
        "        writer.told.settled or writer.write(Settled())\n        try:\n            step.settle(",
    ),
    Mutant(
        "settled_before_published",
        "engine.py",
        "        writer.write(Intent(last.name))\n",
        "        writer.write(Intent(last.name))\n"
        "        for s in last.scene.steps():\n"
        "            s.settle(writer.told.release, writer.record(s.name))\n",
    ),
    Mutant(
        "end_not_written",
        "outcome.py",
        "        writer.write(end)\n        settle(",
        "        settle(",
    ),
    Mutant(
        "archive_forgotten_after_a_crash",
        "recover.py",
        "    else:\n        journal.archive(writer)\n",
        "",
    ),
    Mutant(
        "released_but_never_settled_after_a_crash",
        "recover.py",
        '    if end.outcome == "released" and not writer.told.settled:\n',
        "    if False:\n",
    ),
    Mutant(
        "goes_on_after_a_failed_write",
        "writer.py",
        "            self.lost = True\n"
        "            raise self._loss(error.strerror or str(error)) from error\n",
        "            self.told.add(entry)\n            return\n",
    ),
)
"""Not here, as nobody can see the difference: forgetting `undone` (every undo is idempotent); no sync of the
first record or after a cut (the sync of the next record, before any effect, covers both); a short record
accepted (its CRC is wrong)."""
