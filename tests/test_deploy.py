"""The files in deploy/ are sound, and agree with each other and with the service; nothing here starts a container."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

yaml = pytest.importorskip("yaml")

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


def test_services_name_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"web", "postgres", "milvus", "prometheus", "grafana"} <= set(services)
    for name, service in services.items():
        assert "image" in service or "build" in service, name
        assert re.fullmatch(r"[\w./-]+:v?[\w.-]+", service.get("image", "x:1")), f"{name}: no version"
        assert ":latest" not in service.get("image", "")
        for other in service.get("depends_on", []):
            assert other in services
            condition = service["depends_on"][other]["condition"] if isinstance(service["depends_on"], dict) else None
            assert condition != "service_healthy" or "healthcheck" in services[other]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            made = source in compose["volumes"] or source == "./artefact" or (DEPLOY / source).exists()
            assert made, f"{name}: {source} is neither a volume nor in deploy/"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: open to other machines"
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"]
        assert set(service) <= {
            "image", "build", "command", "environment", "volumes", "ports", "depends_on", "healthcheck", "restart",
            "secrets", "stop_grace_period",
        }  # fmt: skip


def test_no_password_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEYS$|EVENTS", name):
                assert "${" in value, name


def test_what_the_compose_file_sets_is_read(compose: dict[str, Any]) -> None:
    """Every variable of the web is one that a command, or a library below it, reads."""
    source = "".join(path.read_text(encoding="utf-8") for path in (DEPLOY.parent / "mmreco").rglob("*.py"))
    for name in compose["services"]["web"]["environment"]:
        assert name == "OMP_NUM_THREADS" or f'"{name}"' in source, name
    written = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    given = set(re.findall(r"\$\{(\w+)", written))
    told = written.partition("name: mmreco")[0]
    assert {name for name in given if name not in told} == set(), "the first lines name what is to be set"
    for secret in compose["secrets"].values():
        assert secret["file"].removeprefix("./") in told, "and what file is to be written"


def test_the_web_s_command_is_one_of_ours(compose: dict[str, Any]) -> None:
    from mmreco.cli import app

    words = compose["services"]["web"]["command"]
    serve = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    known = {option for parameter in serve.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert any(getattr(parameter, "envvar", None) == "MMRECO_EVENTS" for parameter in serve.params)
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "USER shop" in dockerfile
    extras = set(re.findall(r"'\.\[([\w,]+)\]'", dockerfile)[0].split(","))
    project = (DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", project, re.M) for extra in extras)


def test_what_is_watched_is_measured() -> None:
    pytest.importorskip("prometheus_client")
    measured = set(re.findall(r'"(mmreco_\w+)"', (DEPLOY.parent / "mmreco/service/measures.py").read_text()))
    board = json.loads((DEPLOY / "grafana/dashboards/mmreco.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {
        re.sub("_(bucket|count|sum|total)$", "", name) for expr in asked for name in re.findall(r"mmreco_\w+", expr)
    }
    assert len(asked) >= 8
    assert named <= measured
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {sources[0]["uid"]}


def test_prometheus_asks_the_web() -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))
    (job,) = settings["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["web:8000"]
    assert job["metrics_path"] == "/metrics"
