"""The way of one person, as `make journey` walks it."""

from pathlib import Path

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

    def test_can_be_walked_again_beside_titles_of_others(self, running_platform: PlatformRun, tmp_path: Path) -> None:
        # A draft without a licence that has the name of what the journey looks for.
        namesake = {"show_id": "s1", "type": "Movie", "title": "Metropolis", "release_year": "2001"}
        columns = (
            "show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description"
        )
        delivery = tmp_path / "namesake.csv"
        row = ",".join(namesake.get(column, "") for column in columns.split(","))
        delivery.write_text(f"{columns}\n{row}\n", encoding="utf-8")
        ingested = running_platform.manage(
            "ingest", str(delivery), "--provider", "Another", "--format", "kaggle-titles", "--direct"
        )
        assert (ingested.returncode, ingested.stderr) == (0, "")
        walked = running_platform.command("journey")
        assert (walked.returncode, walked.stderr) == (0, "")


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
