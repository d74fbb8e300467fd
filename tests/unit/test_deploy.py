"""The manifests of scenarios/deploy say only what our commands and the operator understand."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
import yaml

from harness.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "scenarios" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
SECRETS = re.compile(r"password|passwd|token|secretKeyRef|BEGIN [A-Z ]*PRIVATE KEY", re.IGNORECASE)
# Fields of a LocustTest's spec: charts/locust-operator/crds/locusttest.yaml of the operator.
OPERATOR_FIELDS = {
    "annotations", "labels", "image", "imagePullPolicy", "imagePullSecrets", "workers", "args",
    "env", "master", "worker", "locustfile", "metrics",
}  # fmt: skip


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def of_kind(kind, name):
    return next(
        one
        for one in documents("kubernetes.yaml")
        if one["kind"] == kind and one["metadata"]["name"] == name
    )


def job(name):
    whole = of_kind("Job", name)
    return whole, whole["spec"]["template"]["spec"]["containers"][0]


def filled(text, **values):
    """Fill in variables as compose does: a default, or an error where one is demanded."""

    def value(match):
        name, kind, default = match.groups()
        if name in values:
            return values[name]
        assert kind == "-", f"{name} has no default"
        return default

    return VARIABLE.sub(value, text)


def compose(**values):
    return yaml.safe_load(filled((DEPLOY / "compose.yaml").read_text(), **values))["services"]


def words(command):
    return _parser().parse_args([str(word) for word in command])


@pytest.fixture
def locust_parser(monkeypatch):
    """Locust's own parser with our options, without importing Locust into this process."""
    from scenarios.engine.options import add_options

    parser = argparse.ArgumentParser(exit_on_error=False)
    for flag in ("--headless", "--master", "--worker"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-f")
    parser.add_argument("--host")
    parser.add_argument("--master-host")
    parser.add_argument("--expect-workers", type=int)
    add_options(parser)
    return parser


def test_the_commands_of_kubernetes_are_ours_and_agree():
    master_job, master = job("monthend-master")
    worker_job, worker = job("monthend-workers")
    leading, driving = words(master["args"]), words(worker["args"])

    assert leading.master
    assert driving.worker
    assert driving.master_host == of_kind("Service", "monthend-master")["metadata"]["name"]
    assert driving.master_port == leading.port
    assert worker_job["spec"]["completions"] == leading.expect_workers
    assert worker_job["spec"]["parallelism"] == leading.expect_workers
    assert master_job["spec"]["backoffLimit"] == 0
    assert worker_job["spec"]["backoffLimit"] > 0


def test_the_service_of_kubernetes_leads_to_the_masters_ports():
    service = of_kind("Service", "monthend-master")["spec"]
    whole, master = job("monthend-master")
    leading = words(master["args"])
    named = {port["name"]: port["containerPort"] for port in master["ports"]}

    assert named == {"workers": leading.port, "web": leading.web_port}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == named
    labels = whole["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert service["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("name", ["monthend-master", "monthend-workers"])
def test_containers_have_bounds_no_rights_and_a_place_for_their_runs(name):
    whole, container = job(name)
    pod = whole["spec"]["template"]["spec"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}

    for kind in ("requests", "limits"):
        assert set(container["resources"][kind]) == {"cpu", "memory"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["automountServiceAccountToken"] is False
    assert str(words(container["args"]).out) in mounted.values()
    assert {volume["name"] for volume in pod["volumes"]} == set(mounted)


def test_the_run_folder_of_the_master_outlives_its_pod():
    whole, _ = job("monthend-master")
    claim = whole["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]

    assert of_kind("PersistentVolumeClaim", claim)["spec"]["resources"]["requests"]["storage"]


@pytest.mark.parametrize("values", [{}, {"WORKERS": "7", "LEVEL": "L4", "SCALE": "0.1"}])
def test_the_commands_of_compose_are_ours_and_agree(values):
    services = compose(TARGET="http://ledger:8080", **values)
    leading, driving = (words(services[name]["command"]) for name in ("master", "worker"))

    assert leading.target == "http://ledger:8080"
    assert leading.expect_workers == services["worker"]["deploy"]["replicas"]
    assert driving.master_host in services
    assert driving.master_port == leading.port
    assert str(leading.port) in services["master"]["expose"]
    assert services["master"]["ports"] == [f"127.0.0.1:{leading.web_port}:{leading.web_port}"]
    assert services["master"]["image"] == services["worker"]["image"]
    for service in services.values():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_compose_demands_a_target():
    with pytest.raises(AssertionError, match="TARGET has no default"):
        compose()


def test_the_operators_resource_has_its_fields_and_locusts_words(locust_parser):
    (resource,) = documents("locusttest.yaml")
    spec = resource["spec"]
    options = locust_parser.parse_args(shlex.split(spec["args"]))

    assert (resource["apiVersion"], resource["kind"]) == ("locust.cloud/v1", "LocustTest")
    assert set(spec) <= OPERATOR_FIELDS
    assert options.expect_workers == spec["workers"]
    assert (ROOT / Path(options.f).relative_to("/app")).is_file()
    assert options.monthend_out
    compile(spec["locustfile"]["content"], "locustfile", "exec")
    for role in ("master", "worker"):
        assert {"requests", "limits"} <= set(spec[role]["resources"])


def test_the_image_has_the_stages_that_the_manifests_name_and_all_packages_of_ours():
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))
    built = yaml.safe_load(filled((DEPLOY / "compose.yaml").read_text(), TARGET="x"))

    assert built["services"]["master"]["build"]["target"] in stages
    assert "locust" in stages
    assert {"contracts", "scenarios", "harness", "reports", "reference_app"} <= copied
    assert 'ENTRYPOINT ["monthend"]' in DOCKERFILE
    last = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert job("monthend-master")[0]["spec"]["template"]["spec"]["securityContext"][
        "runAsUser"
    ] == int(last)


def test_the_image_names_no_package_index_and_checks_every_hash():
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", DOCKERFILE)
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^ARG .*", DOCKERFILE, re.MULTILINE) == [
        "ARG PYTHON_IMAGE=python:3.13-slim"
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_no_manifest_holds_a_secret(path):
    text = path.read_text().replace("automountServiceAccountToken", "")

    assert not SECRETS.search(re.sub(r"neither passwords nor encryption", "", text))


def test_the_page_names_every_file_and_its_commands_are_ours():
    page = (DEPLOY / "README.md").read_text()
    commands = re.findall(r"^    monthend (load .*)$", page, re.MULTILINE)

    assert len(commands) == 2
    for command in commands:
        words(shlex.split(command))
    for path in DEPLOY.iterdir():
        assert path.name == "README.md" or path.name in page
