"""The deployment examples: they parse, and what they name is there; nginx fails over."""

import configparser
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest
import yaml

from xlt._version import __version__
from xlt.client.api import Client
from xlt.serve.command import serve
from xlt.serve.errors import Problem, body_of
from xlt.serve.limits import Limits
from xlt.serve.routes.table import operations
from xlt.serve.settings import Settings

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.fixture(scope="module")
def deploy(project):
    return project / "docs" / "deploy"


@pytest.fixture(scope="module")
def image(deploy):
    """The Dockerfile's instructions, in order: (name, arguments)."""
    text = re.sub(r"\\\n", " ", (deploy / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def cluster(deploy):
    """The manifest's objects by kind."""
    text = (deploy / "kubernetes.yaml").read_text()
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def last(image, name):
    return [arguments for found, arguments in image if found == name][-1]


def open_routes():
    return {o.path for o in operations(Settings()) if o.method == "GET" and o.access == "open"}


def flags(arguments):
    """The settings that a command line of `xlt serve` makes; unknown flags are an error."""
    return serve.make_context("xlt serve", list(arguments)).params


def test_the_image_has_only_known_instructions(image):
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "HEALTHCHECK",
             "ENTRYPOINT", "CMD"}  # fmt: skip
    assert {name for name, _ in image} <= known
    assert image[0][0] == "FROM"


def test_the_image_installs_extras_that_exist(image, project):
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(project / "setup.cfg")
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', " ".join(a for n, a in image if n == "RUN"))
    assert extras.split(",") == ["cpu", "serve"]
    assert set(extras.split(",")) <= set(setup["options.extras_require"])
    (constraints,) = re.findall(r"-c (\S+)", " ".join(a for n, a in image if n == "RUN"))
    assert (project / constraints).is_file()


def test_the_image_has_the_python_of_the_project(image, project):
    bases = {arguments.split()[0] for name, arguments in image if name == "FROM"}
    (base,) = bases
    assert base == "python:3.11-slim"
    assert "python_requires = >=3.11" in (project / "setup.cfg").read_text()


def test_the_image_is_not_root(image):
    user, _, group = last(image, "USER").partition(":")
    assert user.isdigit() and int(user) > 0 and group.isdigit() and int(group) > 0
    names = [name for name, _ in image]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]


def test_the_image_needs_no_network_once_built(image):
    names = [name for name, _ in image]
    second = len(names) - 1 - names[::-1].index("FROM")
    assert "RUN" not in names[second:]
    assert "HF_HUB_OFFLINE=1" in last(image, "ENV")


def test_the_image_starts_the_server_that_it_checks(image):
    entry = json.loads(last(image, "ENTRYPOINT"))
    assert entry[:2] == ["xlt", "serve"]
    settings = flags([*entry[2:], *json.loads(last(image, "CMD"))])
    assert settings["models"] == ("/models",)
    assert settings["host"] == "0.0.0.0"
    assert settings["port"] == int(last(image, "EXPOSE"))
    check = json.loads(last(image, "HEALTHCHECK").partition("CMD")[2])
    port, path = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", check[-1]).groups()
    assert int(port) == settings["port"] and path in open_routes()


def test_the_images_health_check_works(image, server, run_server, bundles):
    *_, code = json.loads(last(image, "HEALTHCHECK").partition("CMD")[2])

    def healthy(running):
        mine = code.replace(":8080", f":{running.port}")
        assert mine != code
        done = subprocess.run(["python3", "-c", mine], capture_output=True, timeout=20)
        return done.returncode == 0

    assert healthy(server)
    ending = run_server({"xnli": bundles["xnli"]})
    ending.app.state.draining = True
    assert not healthy(ending)


def test_what_the_image_copies_is_what_the_wheel_needs(deploy, project):
    text = (deploy / "Dockerfile.dockerignore").read_text()
    kept = {line[1:] for line in text.splitlines() if line.startswith("!")}
    assert all((project / name).exists() for name in kept)
    setup = (project / "setup.cfg").read_text()
    (folder,) = re.findall(r"^where = (\w+)$", setup, re.MULTILINE)
    assert (project / folder / "xlt" / "serve" / "command.py").is_file()
    assert folder in kept
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= kept


def container(cluster):
    (found,) = cluster["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


def test_the_probes_ask_routes_that_are_there(cluster):
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container(cluster)[name]
        assert probe["httpGet"]["path"] in open_routes(), name
        assert probe["httpGet"]["port"] == "http"
    assert container(cluster)["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container(cluster)["livenessProbe"]["httpGet"]["path"] == "/health/live"
    notes = cluster["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/path"] in open_routes()


def test_the_pods_are_locked_down(cluster):
    pod = cluster["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    own = container(cluster)["securityContext"]
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert all(mount["readOnly"] for mount in container(cluster)["volumeMounts"])
    assert {"cpu", "memory"} == set(container(cluster)["resources"]["requests"])
    assert {"cpu", "memory"} == set(container(cluster)["resources"]["limits"])


def test_manifest_and_image_agree(cluster, image):
    pod = cluster["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert last(image, "USER") == f"{pod['runAsUser']}:{pod['runAsGroup']}"
    assert container(cluster)["ports"] == [{"name": "http", "containerPort": 8080}]
    assert last(image, "EXPOSE") == "8080"
    assert container(cluster)["image"] == f"xlt:{__version__}"
    (port,) = cluster["Service"]["spec"]["ports"]
    assert port["targetPort"] == "http"


def test_the_objects_find_the_pods(cluster):
    spec = cluster["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert cluster["Service"]["spec"]["selector"] == labels
    assert cluster["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels


def test_a_pod_has_time_to_finish(cluster, image):
    entry = json.loads(last(image, "ENTRYPOINT"))[2:]
    settings = flags([*entry, *container(cluster)["args"]])
    pod = cluster["Deployment"]["spec"]["template"]["spec"]
    needed = settings["drain_delay"] + settings["drain_seconds"]
    assert pod["terminationGracePeriodSeconds"] > needed
    period = container(cluster)["readinessProbe"]["periodSeconds"]
    assert settings["drain_delay"] > 2 * period, "readiness must be seen before work is refused"
    assert settings["models"] == (container(cluster)["volumeMounts"][0]["mountPath"],)


def answers(port):
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def proxy(deploy, tmp_path):
    """Start nginx with our file, its ports replaced; returns the URL."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    started = []

    def start(*ports):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            front = taken.getsockname()[1]
        text = (deploy / "nginx.conf").read_text()
        for old, new in zip((8080, 8081, 8082), (front, *ports), strict=True):
            text, n = re.subn(rf"(?m)^(\s*(?:listen|server) 127\.0\.0\.1:){old}\b",
                              rf"\g<1>{new}", text)  # fmt: skip
            assert n == 1, old
        (tmp_path / "xlt.conf").write_text(text)
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"{'user root; ' if os.geteuid() == 0 else ''}"
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log info; "
            f"events {{}} http {{ access_log off; {folders} include {tmp_path}/xlt.conf; }}"
        )
        command = [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"),
                   "-e", str(tmp_path / "error.log")]  # fmt: skip
        tried = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert tried.returncode == 0, tried.stderr
        started.append(subprocess.Popen(command))
        deadline = time.monotonic() + 10
        while not answers(front):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return f"http://127.0.0.1:{front}"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


TEXTS = ["the cat sat", "der Hund schläft"]


def test_nginx_spreads_requests_and_fails_over(proxy, run_server, bundles):
    models = {"encoder": bundles["encoder"]}
    first, second = run_server(models), run_server(models)
    url = proxy(first.port, second.port)
    with Client(first.url) as direct, Client(url, retries=0) as client:
        expected = direct.embed(TEXTS)

        def served(running):
            lines = running.call("GET", "/metrics")[2].decode().splitlines()
            return sum(
                float(line.split()[-1])
                for line in lines
                if line.startswith("xlt_requests_total") and "/v1/embeddings" in line
            )

        before = served(first), served(second)
        for _ in range(10):
            np.testing.assert_array_equal(client.embed(TEXTS), expected)
        assert served(first) > before[0] and served(second) > before[1]
        assert client.ready()

        second.app.state.refusing = True  # says 503, as while it shuts down
        for _ in range(10):
            np.testing.assert_array_equal(client.embed(TEXTS), expected)
        second.stop()  # nobody listens any more
        for _ in range(10):
            np.testing.assert_array_equal(client.embed(TEXTS), expected)


def test_nginx_passes_on_that_all_replicas_are_full(proxy, run_server, bundles):
    models = {"encoder": bundles["encoder"]}
    full = [run_server(models, limits=Limits(queue_requests=1)) for _ in range(2)]
    url = proxy(*(running.port for running in full))
    body = json.dumps({"input": "a"}).encode()

    def ask(_):
        link = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        try:
            link.request("POST", "/v1/embeddings", body)
            reply = link.getresponse()
            return reply.status, reply.headers["retry-after"], reply.read()
        finally:
            link.close()

    tickets = [running.app.state.scheduler.admit(1) for running in full]
    answers = [ask(number) for number in range(12)]
    for running, ticket in zip(full, tickets, strict=True):
        running.app.state.scheduler.leave(ticket)
    assert {status for status, _, _ in answers} == {429}
    assert all(int(retry) >= 1 for _, retry, _ in answers)
    assert {json.loads(body)["error"]["code"] for _, _, body in answers} == {"overloaded"}
    assert ask(0)[0] == 200


def test_nginx_keeps_the_servers_own_answers(proxy, run_server, bundles):
    running = run_server({"encoder": bundles["encoder"]}, limits=Limits(body_bytes=2 << 20))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    url = proxy(running.port, dead)

    def call(method, path, body=None, headers=None):
        link = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        try:
            link.request(method, path, body, headers or {})
            reply = link.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            link.close()

    status, headers, body = call("POST", "/v1/embeddings", b"x" * (3 << 20))
    assert status == 413 and json.loads(body)["error"]["code"] == "body_too_large"
    status, headers, body = call("GET", "/v1/models", headers={"x-request-id": "mine-1"})
    assert status == 200 and headers["x-request-id"] == "mine-1"
    for path in ("/metrics", "/admin/models", "/v2/repository/index"):
        assert call("POST", path)[0] == 404, path


def test_nginx_says_503_in_json_when_every_replica_is_down(proxy):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    dead = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    url = proxy(*dead)
    asked = (("GET", "/v1/models"), ("POST", "/v1/embeddings"), ("GET", "/health/ready"))
    for method, path in asked:
        link = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        link.request(method, path, b"{}" if method == "POST" else None)
        reply = link.getresponse()
        assert (reply.status, reply.headers.get_content_type()) == (503, "application/json")
        assert int(reply.headers["retry-after"]) >= 1
        assert json.loads(reply.read())["error"]["code"] == "not_ready"
        link.close()


def test_what_nginx_says_for_a_dead_server_is_our_error(deploy):
    """Also where nginx is not installed."""
    (body,) = re.findall(r"return 503 '(.*)';", (deploy / "nginx.conf").read_text())
    problem = Problem(503, "not_ready", json.loads(body)["error"]["message"])
    assert body.encode() == body_of(problem, "openai")


def test_every_command_in_the_comments_parses(deploy):
    text = (deploy / "nginx.conf").read_text()
    commands = re.findall(r"^#\s+(xlt serve .*?)\s*&?$", text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert flags(shlex.split(command)[2:])["drain_delay"] == 5
