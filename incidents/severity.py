"""SEV1 (crisis) to SEV4 (minor): the four severities of shared/design/domain.md 2.3."""

from enum import StrEnum


class Severity(StrEnum):
    SEV1 = "SEV1"
    SEV2 = "SEV2"
    SEV3 = "SEV3"
    SEV4 = "SEV4"

    @property
    def rank(self) -> int:
        """1 for the worst, 4 for the mildest."""
        return int(self.value[3])

    def is_worse_than(self, other: "Severity") -> bool:
        return self.rank < other.rank

    @property
    def one_up(self) -> "Severity":
        """One level worse; SEV1 stays what it is."""
        return Severity(f"SEV{max(1, self.rank - 1)}")
