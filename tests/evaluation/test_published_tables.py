"""The tables of docs/evaluation.md are what the published detections give."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def published_tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("published_tables", ROOT / "benchmarks" / "published_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "published_tables", module)  # its dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.golden
def test_the_page_holds_what_a_run_gives(shared: Path, published_tables: ModuleType) -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    rows = [published_tables.compared(shared, claim) for claim in published_tables.CLAIMS]
    assert len(rows) == 6
    for line in (*published_tables.table(rows), *published_tables.policy_table(
        [published_tables.policies(shared, claim) for claim in published_tables.CLAIMS]
    )):  # fmt: skip
        assert line in page
    for row in rows:
        assert sum(row["differ"]) <= 1
        for published, computed in zip(row["published"], row["computed"], strict=True):
            assert computed == pytest.approx(published, abs=0.1 if row["digits"] == 1 else 0.004)
