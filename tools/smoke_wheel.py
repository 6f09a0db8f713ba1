"""What `smoke_wheel.sh` asks of an installed wheel, run in its environment and outside the clone: WHEEL CLONE."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import mmreco
from mmreco import EASE, Recommender
from mmreco.datasets.synthetic import synthetic_shop

wheel, clone = Path(sys.argv[1]), Path(sys.argv[2])
package = Path(mmreco.__file__).parent
if clone in package.parents:
    sys.exit(f"this is the clone, not the wheel: {package}")

# every file of the package is in the wheel, type marker and templates included
listed = subprocess.run(["git", "-C", clone, "ls-files", "mmreco"], capture_output=True, text=True, check=True)
missing = set(listed.stdout.split()) - set(zipfile.ZipFile(wheel).namelist())
if missing:
    sys.exit(f"{len(missing)} files are not in the wheel, first {min(missing)}")

# one version everywhere
about = metadata("mmreco")
cited = re.search(r"^version: (.+)$", (clone / "CITATION.cff").read_text(encoding="utf-8"), flags=re.MULTILINE)
versions = {about["Version"], mmreco.__version__, cited[1] if cited else None}
if len(versions) != 1:
    sys.exit(f"versions disagree: {versions}")

# every extra that a message names is one
named = {
    extra
    for source in package.rglob("*.py")
    for extras in re.findall(r"pip install[^\n]*mmreco\[([\w,-]+)\]", source.read_text(encoding="utf-8"))
    for extra in extras.split(",")
}
unknown = named - set(about.get_all("Provides-Extra") or ())
if unknown:
    sys.exit(f"messages name extras that do not exist: {unknown}")

shop = synthetic_shop(n_items=120, n_users=150).dataset
rec = Recommender.fit(shop, model=EASE())
rec.save("artefact")
again = Recommender.load("artefact")
if again.recommend(["user-007"], k=3).ids() != rec.recommend(["user-007"], k=3).ids():
    sys.exit("a loaded recommender answers otherwise")
print(f"mmreco {mmreco.__version__} from {package}: {again.recommend(['user-007'], k=3)}")
