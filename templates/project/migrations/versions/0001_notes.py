"""notes"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    notes = op.create_table(
        "notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
    )
    op.bulk_insert(
        notes,
        [
            {"title": "The schema came first,"},
            {"title": "then the new version became ready,"},
            {"title": "and only then the branch moved."},
        ],
    )


def downgrade():
    op.drop_table("notes")
