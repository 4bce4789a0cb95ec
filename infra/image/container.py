"""usage: container.py ROOT INSPECTED BUNDLES NAME PROGRAM ARGUMENT...

Runs a program of an unpacked image by runc, as ECS runs it: as the image's user, on a root that can't be written, without
a capability, without new privileges, under the system-call filter that container engines use, with a memory limit, and
with /scratch in memory. The network is this machine's. ROOT is where the image's files are, INSPECTED what buildah says
about it. The environment of the caller becomes the container's, but for what belongs to the machine. NAME is the
container's; when it runs already, the program runs in it.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
from dataclasses import dataclass, field

ENGINES_FILTER = pathlib.Path("/usr/share/containers/seccomp.json")
"""The filter of system calls that podman and buildah use; Docker's and containerd's allow and refuse the same kinds."""
SCRATCH = {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec", "size=512m"]}
MEMORY_BYTES = 2 << 30
MACHINES_OWN = ("PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "PAGEMILL_RUNTIME", "LD_LIBRARY_PATH")
"""What a container does not take over from whoever starts it."""


@dataclass
class Image:
    """An image whose files are at `root`, and what it says about how to run it."""

    root: str
    config: dict

    @staticmethod
    def load(root: str, inspected: str) -> "Image":
        """From the image's mount point, and what `buildah inspect` printed."""
        return Image(root, json.loads(pathlib.Path(inspected).read_text())["Docker"]["config"])


def engines_filter() -> dict:
    """The engines' filter for a container without capabilities, in the form that runc takes."""
    given = json.loads(ENGINES_FILTER.read_text())
    machine = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}[platform.machine()]
    calls = []
    for rule in given["syscalls"]:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if includes.get("caps") or machine[0] not in includes.get("arches", [machine[0]]) or machine[0] in excludes.get("arches", []):
            continue
        made = {"names": rule["names"], "action": rule["action"]}
        if rule.get("args"):
            made["args"] = [{"index": one["index"], "value": one["value"], "valueTwo": one.get("valueTwo", 0), "op": one["op"]} for one in rule["args"]]
        if rule["action"] == "SCMP_ACT_ERRNO" and rule.get("errnoRet") is not None:
            made["errnoRet"] = rule["errnoRet"]
        calls.append(made)
    return {
        "defaultAction": given["defaultAction"],
        "defaultErrnoRet": given.get("defaultErrnoRet", 1),
        "architectures": [machine[1]],
        "syscalls": calls,
    }


@dataclass
class Container:
    """One run of a program of the image."""

    image: Image
    bundles: pathlib.Path
    name: str
    environment: dict[str, str] = field(default_factory=dict)
    mounts: list[dict] = field(default_factory=list)
    scratch: dict = field(default_factory=lambda: SCRATCH)

    def runc(self, *arguments: str) -> list[str]:
        return ["runc", "--root", str(self.bundles / "state"), *arguments]

    def command(self, *program: str) -> list[str]:
        """What runs `program` in this container; makes the bundle. It passes signals on."""
        folder = self.bundles / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self._specification(list(program))))
        return self.runc("run", "--bundle", str(folder), self.name)

    def run(self, *program: str, seconds: float = 120) -> tuple[int, str]:
        """Runs it to its end; its exit code and everything it printed."""
        ran = subprocess.run(self.command(*program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        return ran.returncode, ran.stdout

    def inside(self, *program: str) -> tuple[int, str]:
        """Runs another program in the running container, as the engine runs a health check."""
        ran = subprocess.run(self.runc("exec", self.name, *program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return ran.returncode, ran.stdout

    def is_running(self) -> bool:
        ran = subprocess.run(self.runc("state", self.name), capture_output=True, text=True)
        return ran.returncode == 0 and json.loads(ran.stdout)["status"] == "running"

    def processes(self) -> list[int]:
        """Its processes, by this machine's numbers."""
        ran = subprocess.run(self.runc("ps", "--format", "json", self.name), capture_output=True, text=True, check=True)
        return json.loads(ran.stdout)

    def _specification(self, arguments: list[str]) -> dict:
        user, _, group = self.image.config["User"].partition(":")
        given = dict(one.split("=", 1) for one in self.image.config["Env"]) | self.environment
        none: list[str] = []
        quiet = ["nosuid", "noexec", "nodev"]
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": int(user), "gid": int(group)},
                "args": arguments,
                "env": [f"{name}={value}" for name, value in given.items()],
                "cwd": self.image.config["WorkingDir"],
                "capabilities": {kind: none for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
                "noNewPrivileges": True,
            },
            "root": {"path": self.image.root, "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*quiet, "mode=1777", "size=65536k"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, "ro"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [*quiet, "relatime", "ro"]},
                *({"destination": path, "type": "bind", "source": path, "options": ["bind", "ro"]} for path in ("/etc/hosts", "/etc/resolv.conf")),
                self.scratch,
                *self.mounts,
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "cgroupsPath": f"/pagemill-image-test/{os.getpid()}-{self.name}",
                "resources": {"memory": {"limit": MEMORY_BYTES}, "pids": {"limit": 512}},
                "seccomp": engines_filter(),
                "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        }


def read_only(host: pathlib.Path, inside: str) -> dict:
    """A folder of this machine, to be read in the container."""
    return {"destination": inside, "type": "bind", "source": str(host), "options": ["rbind", "ro", "nosuid", "nodev", "noexec"]}


def main(root: str, inspected: str, bundles: str, name: str, *program: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in MACHINES_OWN}
    if "PAGEMILL_VECTOR_DIR" in environment:
        environment["PAGEMILL_VECTOR_DIR"] = "/scratch/vectors"
    container = Container(Image.load(root, inspected), pathlib.Path(bundles), name, environment)
    command = container.runc("exec", name, *program) if container.is_running() else container.command(*program)
    # In this program's place, so that signals reach runc, which passes them on.
    os.execvp(command[0], command)


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
