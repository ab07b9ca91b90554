"""What the evaluation tests share: the plain loops, and small files."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Written = Callable[[dict[str, Any], dict[str, Any]], tuple[Path, Path]]


@pytest.fixture(scope="session")
def plain_rules() -> ModuleType:
    """benchmarks/plain_rules.py: the official rules as loops."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "plain_rules.py"
    spec = importlib.util.spec_from_file_location("plain_rules", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write a database and results as ActivityNet files; give both paths."""

    def write(database: dict[str, Any], results: dict[str, Any]) -> tuple[Path, Path]:
        truth, predictions = tmp_path / "truth.json", tmp_path / "predictions.json"
        truth.write_text(json.dumps({"version": "1", "taxonomy": [], "database": database}), encoding="utf-8")
        predictions.write_text(json.dumps({"version": "1", "external_data": {}, "results": results}), encoding="utf-8")
        return truth, predictions

    return write
