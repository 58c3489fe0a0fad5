"""The service behind nginx, with the configuration of the documents; only paths and ports are replaced."""

import datetime as dt
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analytics_exports import PROJECT
from analytics_exports.contract import BASE_PATH
from analytics_exports.stack.tcp import answers, free_port
from analytics_exports_tests.live_service import Caller, LiveService, live_service
from analytics_exports_tests.waiting import until

DOCUMENT = PROJECT / "docs/how-to/put-a-proxy-in-front.md"
NAME = "exports.example.org"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

MAIN = """
user root;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {service}
}}
"""


def documented(folder: Path, port: int, api: str, artifacts: str) -> str:
    """Both blocks of the document as one configuration, with the places of this test."""
    server, files = re.findall(r"^```nginx\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    text = server.rstrip().removesuffix("}") + files + "}"
    for documents, ours in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        "http://127.0.0.1:8000": api,
        "/var/lib/analytics-exports/artifacts/": f"{artifacts}/",
    }.items():
        assert documents in text, documents
        text = text.replace(documents, ours)
    return MAIN.format(folder=folder, service=text)


def certify(folder: Path) -> ssl.SSLContext:
    """A key and a certificate for this machine; what a client needs to trust them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    tomorrow = now + dt.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, tomorrow)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "exports.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "exports.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return ssl.create_default_context(cafile=str(folder / "exports.pem"))


class Front:
    """nginx in front of one replica, and a user who goes through it."""

    def __init__(self, folder: Path, service: LiveService, client: httpx.Client) -> None:
        self.folder = folder
        self.service = service
        self.owner: Caller = service.user()
        self.client = client
        self.client.headers["Authorization"] = f"Bearer {self.owner.token}"


@contextmanager
def nginx(folder: Path, service: LiveService) -> Iterator[httpx.Client]:
    port, trust = free_port(), certify(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(documented(folder, port, service.base_url, str(service.services.settings.artifact_root)))
    with subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(configuration)], stderr=subprocess.PIPE) as process:
        try:
            until(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", headers={"Host": NAME}, verify=trust) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    state = tmp_path_factory.mktemp("state")
    with (
        live_service(
            state, module_database_url, accel_redirect="/artifacts/", allowed_hosts=f"{NAME},127.0.0.1"
        ) as service,
        nginx(folder, service) as client,
    ):
        yield Front(folder, service, client)


def test_the_page_and_the_interface_are_there_and_the_figures_are_not(front: Front) -> None:
    get = front.client.get

    assert get("/").headers["Content-Type"].startswith("text/html")
    assert get(f"{BASE_PATH}/exports").status_code == 200
    assert get(f"{BASE_PATH}/healthz", headers={"Host": "evil.test"}).json()["code"] == "unknown_host"
    assert get("/metrics").status_code == 404
    assert get("/").headers["Strict-Transport-Security"]


def test_nginx_sends_the_file_that_the_service_allows(front: Front) -> None:
    job_id = front.service.made(front.owner, format="csv")
    key = front.service.scalar("SELECT metadata->>'output_path' FROM jobs WHERE id = :id", id=job_id)
    content = (Path(front.service.services.settings.artifact_root) / key).read_bytes()
    path = f"{BASE_PATH}/exports/{job_id}/download"
    whole, part = front.client.get(path), front.client.get(path, headers={"Range": "bytes=2-5"})

    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["Content-Disposition"].startswith("attachment")
    assert whole.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert (part.status_code, part.content) == (206, content[2:6])
    assert front.client.get(f"/artifacts/{key}").status_code == 404
    assert front.client.get(path, headers={"Authorization": "Bearer none"}).status_code == 401


def test_a_link_is_for_https_and_is_not_in_the_log(front: Front) -> None:
    job_id = front.service.made(front.owner)
    link = front.client.post(f"{BASE_PATH}/exports/{job_id}/link").json()["url"]
    answer = httpx.get(
        front.client.base_url.join(link.replace(f"https://{NAME}", "")),
        headers={"Host": NAME},
        verify=ssl.create_default_context(cafile=str(front.folder / "exports.pem")),
    )

    assert link.startswith((f"https://{NAME}/", "/"))
    assert answer.status_code == 200
    assert link.rpartition("/")[2] not in (front.folder / "exports.log").read_text()


def test_a_body_that_is_too_large_does_not_reach_the_service(front: Front) -> None:
    assert front.client.post(f"{BASE_PATH}/exports", content=b" " * 300_000).status_code == 413
