"""Real data sets: found in $RMT_ALPHA_DATA or fetched from their public home, verified by hash, loaded."""

from .amazon import DOMAINS as DOMAINS
from .amazon import load_amazon as load_amazon
from .files import DataUnavailableError as DataUnavailableError
from .glue import GLUE_LABELS as GLUE_LABELS
from .glue import GLUE_TASKS as GLUE_TASKS
from .glue import load_glue as load_glue
from .mnist import load_mnist as load_mnist
from .snli import load_snli as load_snli
from .texts import TEXT_DOMAINS as TEXT_DOMAINS
from .texts import load_texts as load_texts
