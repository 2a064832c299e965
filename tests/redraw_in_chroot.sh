#!/usr/bin/env bash
# Draws dataset/ again on a bare Debian bookworm, from dataset/fonts.txt. By hand, as root, with debootstrap installed:
#     tests/redraw_in_chroot.sh [FOLDER]        FOLDER: where the bookworm is, or is to be (default: a temporary one)
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:-$(mktemp -d)}
[ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase bookworm "$root" > /dev/null
cp /etc/resolv.conf "$root/etc/" || true
mapfile -t packages < <(grep -v '^#' dataset/fonts.txt | cut -f 2 | sort -u)
chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -c '
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" > /dev/null' - \
  python3 python3-numpy python3-pil "${packages[@]}"
rm -rf "$root/project" && mkdir "$root/project"
cp -r preprocessing.py sources support "$root/project"
cp dataset/fonts.txt "$root/project"
.venv/bin/pip install -q --target "$root/newest" --upgrade --python-version 3.11 --only-binary=:all: numpy pillow

for libraries in /newest ""; do  # PyPI's newest, as README.md's commands install them; and Debian's own
  chroot "$root" env PYTHONPATH=$libraries sh -c 'cd /project && rm -rf drawn && python3 -c "
import PIL.features, numpy
print(\"Pillow\", PIL.__version__, \"FreeType\", PIL.features.version(\"freetype2\"), \"NumPy\", numpy.__version__)" &&
    python3 -m sources.fonts --from fonts.txt --dataset drawn'
  different=$({ diff -rq --exclude "*.md" --exclude "*.txt" dataset "$root/project/drawn" || true; } | wc -l)
  echo "$different pictures differ from dataset/"
  [ "$different" = 0 ] || [ -z "$libraries" ]  # another FreeType hints some fonts otherwise
done
