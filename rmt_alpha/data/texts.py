"""Sentiment of texts by domain: Blitzer et al.'s reviews, the UCI labelled sentences, and VADER's human-rated snippets.

Packed by this project (UTF-8, gzip, tab separated, one header line, no quoting) from the public sources that HOMES names.
"""

import gzip

import numpy as np

from .. import _checks as check
from .files import read_verified

HOMES = {
    "blitzer_text": "github.com/eyalbd2/Reproducing-AutoPrompt, folder blitzer_data (Blitzer et al. 2007; airline: Skytrax)",
    "uci_sentences": "the npm package sentiment 5.0.2, folder test/fixtures (UCI Sentiment Labelled Sentences)",
    "vader_domains": "the sources of vaderSentiment on PyPI, additional_resources/hutto_ICWSM_2014.tar.gz",
}
SHA256 = {
    "blitzer_text": {
        "books": "fb3cf827d33045ca6b5e687255488efa5824c047836e65343db4aa24b35718c2",
        "dvd": "fd9c710a8b01247fd35e26312e4b70fee4fef8bf11b2c26065f6a49a92f9574c",
        "electronics": "d62af8c1f6583b6a396f8e8ee96b4341c8a57181dff9ad0af97136033a206467",
        "kitchen": "f2232d1ff6352d5cac452b593a1f2a07879d0f681d0bab074d166c638467e725",
        "airline": "4d413b5a8acfa141fd0c8a79eb3643be73be3fa4cacac22282ebeb40c5fd311f",
    },
    "uci_sentences": {
        "amazon": "824c61c5f2f41f6ea7b42e41b8b5d2d39d34d5488365db091e8a517f44a80bae",
        "imdb": "b7691a3eca03707d5c687d186bc106e599a4e7254e8f34abfc0bea82e8469cce",
        "yelp": "a662722c27f9e32519186bd309dc652ed9aa33ff51efec3314bd42fa44003d77",
    },
    "vader_domains": {
        "tweets": "afaf85605a60a6dad627cb805cfa0c7c9927bf83be55a93f811ea172196c5a80",
        "amazonReviewSnippets": "e486bd8381bf7cf3a1e88d118cc67126d6720f909b174981f717d29ce3fe5643",
        "movieReviewSnippets": "2fb6b0b87caad7c2f16de7ea7b1649b7ed26dfffafe054f5c26e29950e0b0edb",
        "nytEditorialSnippets": "bf6a636dc62ea9931345f94ef3afb98441522359be7b0ff119d23a9c57db3088",
    },
}
TEXT_DOMAINS = {collection: tuple(files) for collection, files in SHA256.items()}


def load_texts(collection: str, domain: str) -> tuple[list[str], np.ndarray]:
    """Texts (n strings) and labels ±1 (n,) of one domain, in the file's order: mostly sorted by label, so shuffle.

    `collection` and `domain` as in TEXT_DOMAINS. The label of a VADER snippet is the sign of its mean human rating (−4…4); the few rated
    0 are left out. A text may occur more than once: with a test set, drop the repetitions first. Raises DataUnavailableError or
    ValueError as `read_verified` does; these files have no public home, only a local copy will do.
    """
    check.choice("collection", collection, tuple(TEXT_DOMAINS))
    check.choice("domain", domain, TEXT_DOMAINS[collection])
    content = read_verified(
        f"{collection}/{domain}.tsv.gz", None, SHA256[collection][domain], packed_from=HOMES[collection]
    )
    # Split at line feeds and tabs only: the texts may hold other separators, and quotation marks mean nothing.
    header, *lines = gzip.decompress(content).decode("utf-8").removesuffix("\n").split("\n")
    columns = dict(zip(header.split("\t"), zip(*(line.split("\t") for line in lines), strict=True), strict=True))
    if collection == "vader_domains":
        score = np.array(columns["score"], dtype=np.float64)
    else:
        score = 2.0 * np.array(columns["label"], dtype=np.float64) - 1.0
    return [text for text, s in zip(columns["text"], score, strict=True) if s], np.sign(score[score != 0])
