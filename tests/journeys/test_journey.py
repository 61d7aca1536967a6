"""The way of one person, as `make journey` walks it."""

import pytest

from tests.platform_run import PlatformRun

pytestmark = pytest.mark.xdist_group("platform")


class TestJourney:
    def test_leads_from_sign_up_to_a_renewed_subscription(self, running_platform: PlatformRun) -> None:
        walked = running_platform.command("journey")
        assert (walked.returncode, walked.stderr) == (0, "")
        steps = [line[4:50].strip() for line in walked.stdout.splitlines() if line[2:3] == "."]
        assert steps[0] == "signs up"
        assert steps[-1] == "is billed again as of the same day"
        assert len(steps) == 15

    def test_can_be_walked_again(self, running_platform: PlatformRun) -> None:
        assert running_platform.command("journey").returncode == 0


class TestDemo:
    def test_bills_its_renewing_viewer_once(self, running_platform: PlatformRun) -> None:
        due = running_platform.sql("SELECT min(next_bill_at) FROM billing_subscription WHERE status = 'active'")
        paid = "SELECT count(*) FROM billing_invoice WHERE status = 'paid'"
        before = int(running_platform.sql(paid))
        first = running_platform.manage("bill", "--as-of", due)
        assert (first.returncode, first.stderr) == (0, "")
        assert int(running_platform.sql(paid)) == before + 1
        assert running_platform.manage("bill", "--as-of", due).returncode == 0
        assert int(running_platform.sql(paid)) == before + 1
