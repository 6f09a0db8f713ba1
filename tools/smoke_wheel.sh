#!/bin/sh
# Builds sdist and wheel, installs the wheel into a clean environment, and uses it outside the clone.
#
#     sh tools/smoke_wheel.sh [PYTHON]     # an interpreter that has mmreco's dependencies; .venv/bin/python otherwise
#
# The wheel is built from the unpacked sdist, so that a file missing there is missed here. The environment holds mmreco
# alone: the dependencies (torch among them) come from PYTHON's environment through a .pth file, not installed twice.
set -eu
clone=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-$clone/.venv/bin/python}
case $python in /*) ;; *) python=$PWD/$python ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$clone"
"$python" -m hatchling build --target sdist --directory "$work/dist" >/dev/null
mkdir "$work/sdist"
tar -xzf "$work"/dist/*.tar.gz -C "$work/sdist" --strip-components 1
(cd "$work/sdist" && "$python" -m hatchling build --target wheel --directory "$work/dist" >/dev/null)

"$python" -m venv --without-pip "$work/venv"
clean=$work/venv/bin/python
site=$("$clean" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m pip --quiet --disable-pip-version-check --python "$clean" install --no-deps "$work"/dist/*.whl
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/dependencies.pth"

mkdir "$work/elsewhere"
cd "$work/elsewhere"
unset PYTHONPATH
export TOKENIZERS_PARALLELISM=false
"$clean" "$clone/tools/smoke_wheel.py" "$work"/dist/*.whl "$clone"
"$work/venv/bin/mmreco" recommend artefact user-007 --k 3 --json
# the install line of an error finds the wheel, and the clone, without an index of packages
"$python" -m pip --quiet --disable-pip-version-check --python "$clean" install --no-index --dry-run 'mmreco[cpu]'
echo "wheel: ok"
