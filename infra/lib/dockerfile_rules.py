"""What Dockerfile.worker promises: something that it must have, and what it looks like without."""

import pathlib
import re
from dataclasses import dataclass

DOCKERFILE = pathlib.Path(__file__).parent.parent.parent / "Dockerfile.worker"


@dataclass(frozen=True)
class DockerfileRule:
    """One promise: a pattern that must match, and a piece of text whose replacement breaks it."""

    promise: str
    pattern: str
    piece: str
    replacement: str

    def faults(self, text: str) -> list[str]:
        return [] if re.search(self.pattern, text, re.MULTILINE | re.DOTALL) else [f"nothing matches {self.pattern}"]

    def planted_faults(self, text: str) -> list[str]:
        broken = text.replace(self.piece, self.replacement)
        assert broken != text, f"{self.promise}: the planted violation changes nothing"
        return self.faults(broken)


LAST_STAGE = r"\nFROM \$\{RUN_IMAGE\}\n(?!.*\nFROM )"

RULES = [
    DockerfileRule("image: base images are arguments, so that they can be pinned", r"^ARG BUILD_IMAGE=.*^ARG RUN_IMAGE=.*^FROM \$\{BUILD_IMAGE\} AS build", "FROM ${BUILD_IMAGE}", "FROM rust:1"),
    DockerfileRule("image: what runs is a stage of its own, without tools", LAST_STAGE + r"(?!.*(python|cargo build))", "FROM ${RUN_IMAGE}\nRUN", "FROM ${BUILD_IMAGE}\nRUN"),
    DockerfileRule("image: dependencies are the locked ones", r"cargo build --locked ", "--locked ", ""),
    DockerfileRule("image: the build is optimised unless told otherwise", r'^ARG PROFILE=dist$.*cargo build [^&]*--profile "\$PROFILE"', "ARG PROFILE=dist", "ARG PROFILE=dev"),
    DockerfileRule("image: builds are cached outside the image", r"--mount=type=cache,target=/usr/local/cargo/registry.*--mount=type=cache,target=/build/target", "--mount=type=cache,target=/build/target", "--mount=type=tmpfs,target=/build/target"),
    DockerfileRule("image: libpdfium and models come from scripts/setup, which pins their hashes", r"RUN PAGEMILL_RUNTIME=/runtime scripts/setup", "scripts/setup \\\n", "curl -O \\\n"),
    DockerfileRule("image: a missing model ends the build", r"for file in libpdfium\.so.*wordllama-tokenizer\.json.*exit 1", "exit 1", "true"),
    DockerfileRule("image: worker and bulk-trigger are both in it", r'cp "\$folder/worker" "\$folder/bulk-trigger" /programs/.*COPY --from=build /programs/ /usr/local/bin/', ' "$folder/bulk-trigger"', ""),
    DockerfileRule("image: the licences of what is passed on are in it", r"for file in .*licences/pdfium\.txt.*licences/minilm\.md.*licences/wordllama\.txt.*COPY LICENSE .*COPY --from=build /crate-licences\.txt /usr/share/doc/pagemill/", "COPY --from=build /crate-licences.txt /usr/share/doc/pagemill/\n", ""),
    DockerfileRule("image: libjpeg-turbo is the distribution's", LAST_STAGE + r".*apt-get install [^&]*libturbojpeg0", " libturbojpeg0", ""),
    DockerfileRule("image: not root", LAST_STAGE + r".*^USER 10001:10001$", "USER 10001:10001", "USER root"),
    DockerfileRule("image: /scratch is the user's, and a volume that keeps this", r"install -d -o 10001 -g 10001 -m 1777 /scratch.*^VOLUME /scratch$", "VOLUME /scratch\n", ""),
    DockerfileRule("image: temporary files go to /scratch, the runtime is known", r"^ENV PAGEMILL_RUNTIME=/opt/pagemill \\\n +TMPDIR=/scratch$", "TMPDIR=/scratch", "TMPDIR=/tmp"),
    DockerfileRule("image: SIGTERM reaches the worker itself", r'^STOPSIGNAL SIGTERM$.*^ENTRYPOINT \["/usr/local/bin/worker"\]$', 'ENTRYPOINT ["/usr/local/bin/worker"]', "ENTRYPOINT worker"),
]
