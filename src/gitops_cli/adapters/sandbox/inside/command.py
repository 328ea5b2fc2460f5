"""The last steps before the command: its session, signals, limits, folder."""

from __future__ import annotations

import os

from gitops_cli.adapters.sandbox.inside import confine, keeper, kernel, landlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SIGKILL = 9
_NOT_STARTED = 127


def execute(config: dict[str, Any]) -> NoReturn:
    """Become the command; report why when that fails. Without a command, end with 0: a trial."""
    code = _NOT_STARTED
    try:
        os.setsid()
        keeper.unmask()
        bare = config["level"] in ("landlock", "none")
        if bare:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, _SIGKILL, "PDEATHSIG")
        confine.limit(config["limits"], base=_tasks(os.getuid()) if bare else 2)
        if config["level"] == "landlock":
            kernel.drop_capabilities()
            landlock.restrict(config["rules"], network=config["network"])
        if config["argv"]:
            os.chdir(config["cwd"])
            os.execvpe(config["argv"][0], config["argv"], config["env"])  # noqa: S606 - that is its purpose
        code = 0
    except (kernel.Denied, OSError) as error:
        os.write(config["report"], _sentence(config, error).encode()[:1000])
    finally:
        os._exit(code)


def _tasks(uid: int) -> int:
    """Count the processes and threads of a user: without a user namespace Linux counts them all."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib is not loaded here
        try:
            if os.stat(f"/proc/{name}").st_uid == uid:  # noqa: PTH116
                count += len(os.listdir(f"/proc/{name}/task"))  # noqa: PTH208
        except OSError:
            continue
    return count


def _sentence(config: dict[str, Any], error: Exception) -> str:
    if isinstance(error, OSError) and error.filename in (None, config["cwd"]):
        return f"{config['cwd']}: {error.strerror}"
    return f"{config['argv'][0] if config['argv'] else ''}: {error}"
