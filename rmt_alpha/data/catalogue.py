"""Every file of the real data sets: what it is called, where it comes from, and its hash."""

from dataclasses import dataclass

from . import amazon, glue, mnist, snli, texts


@dataclass(frozen=True)
class DataFile:
    """A file as `read_verified` takes it; `url` is None where only a local copy will do."""

    relative: str
    url: str | None
    sha256: str
    packed_from: str = ""


CATALOGUE = {
    file.relative: file
    for file in [
        *(DataFile(f"amazon_review/{d}.mat", f"{amazon.HOME}/{d}.mat", sha) for d, sha in amazon.SHA256.items()),
        *(
            DataFile(f"{collection}/{domain}.tsv.gz", None, sha, texts.HOMES[collection])
            for collection, domains in texts.SHA256.items()
            for domain, sha in domains.items()
        ),
        *(DataFile(relative, None, sha, glue.PACKED_FROM) for relative, sha in glue.PACKED_SHA256.items()),
        *(DataFile(relative, None, sha, snli.PACKED_FROM) for relative, sha in snli.SHA256.items()),
        DataFile(mnist.FILE, None, mnist.SHA256, mnist.PACKED_FROM),
        *(
            DataFile(f"glue/{path.rpartition('/')[2]}", f"{glue.HOME}/{path}", sha)
            for path, sha in glue.HOME_SHA256.items()
        ),
    ]
}
