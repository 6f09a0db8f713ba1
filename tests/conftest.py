"""Set before anything imports torch: one thread, no hub, no surprise; and no deadlines, which a busy machine misses."""

import os

import hypothesis

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

hypothesis.settings.register_profile("mmreco", deadline=None)
hypothesis.settings.load_profile("mmreco")
