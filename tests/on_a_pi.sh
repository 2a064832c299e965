#!/usr/bin/env bash
# The project on an emulated Raspberry Pi 3B beside this machine: training, with Debian's own BLAS and with OpenBLAS, the
# plug pulled, classifying, evaluating, preprocessing. The emulated system is Debian bookworm with its own Python, NumPy
# and Pillow, of 64 bits, or of 32 bits with ARCH=armhf.
# Exit code 1 where the two differ.
# By hand, as root on a Debian x86-64, not in CI:   [ARCH=arm64] [PYTHON=python3] [GENERATIONS=20000] tests/on_a_pi.sh
# /var/tmp keeps the emulated system, 300 MB. It takes about 6 minutes; with the paper's GENERATIONS=180834, 35.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${ARCH:=arm64} in
  arm64) qemu=(qemu-aarch64-static -cpu cortex-a53) triple=aarch64-linux-gnu ;;
  armhf) qemu=(qemu-arm-static -cpu max) triple=arm-linux-gnueabihf ;;
  *) echo "ARCH: expected arm64 or armhf, found $ARCH"; exit 2 ;;
esac
root=/var/tmp/$ARCH-bookworm
generations=${GENERATIONS:-20000}
seeded=(--seed 1 --generations "$generations")
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
python=$(realpath -se "$(command -v "$PYTHON" || echo "$PYTHON")")
if ! type "${qemu[0]}" debootstrap &> /dev/null; then
  echo "first: apt-get install qemu-user-static debootstrap"
  exit 2
fi
work=$(mktemp -d)
trap '{ kill -KILL $(jobs -p) || true; } 2> /dev/null; rm -rf "$work"' EXIT

if [ ! -d "$root" ]; then # unpacked, not set up: only its Python is ever run
  echo "fetching Debian's packages for $ARCH into $root"
  rm -rf "$root.new"
  debootstrap --download-only --variant=minbase --arch=$ARCH --include=python3,python3-numpy,python3-pil,libopenblas0-pthread \
    bookworm "$root.new" > "$work/log" || { tail "$work/log"; exit 2; }
  for package in "$root.new"/var/cache/apt/archives/*.deb; do dpkg -x "$package" "$root.new"; done
  rm -r "$root.new/var/cache/apt/archives"
  mv "$root.new" "$root"
fi
lib=$root/usr/lib/$triple
pi=("${qemu[@]}" -L "$root" -E PYTHONHOME="$root/usr" # -E: for the emulated program alone
  -E LD_LIBRARY_PATH="$lib/openblas-pthread:$lib/lapack:$lib:$root/lib/$triple" "$root/usr/bin/python3.11")
own_blas=("${pi[@]/openblas-pthread/blas}") # without libopenblas0-pthread
pi() { (cd "$work/pi" && "${pi[@]}" "$@"); }
here() { (cd "$work/here" && "$python" "$@"); }
for machine in here pi; do
  mkdir "$work/$machine"
  git archive HEAD | tar -x -C "$work/$machine"
  $machine -c 'import platform as p, numpy as n, PIL
print(p.machine(), "Python", p.python_version(), "NumPy", n.__version__, "Pillow", PIL.__version__)'
done

train_on_both() { # NAME OPTION...
  echo "== $*"
  for machine in here pi; do
    local begun=$SECONDS
    $machine controller.py "${seeded[@]}" --model "$1.doc" --metadata "$1.log" "${@:2}" > /dev/null
    echo "$machine: $((SECONDS - begun)) s"
  done
  here - "$1.log" "$1.doc" << 'END'
import sys
import numpy as np
from metadata import read_metadata
from model import read_model

# Last digits may differ: each BLAS adds up fully_connected()'s dot product in its own order, and from Python 3.12 on
# sum() rounds less. Training does not enlarge that: 4e-14 in 5,000 generations, 5e-14 in 180,834. So 1e-11 is roomy,
# and would still show where single precision had crept in (2e-8).
BOUND = 1e-11
log, doc = sys.argv[1:]
rows, others = read_metadata(log), read_metadata(f"../pi/{log}")
fits = all((rows[name] == others[name]).all() for name in ("generation", "label", "predicted"))
print("labels and predicted labels:", "all the same" if fits else "DIFFERENT")
pairs = {name: (rows[name], others[name]) for name in ("cross_entropy", "softmax")}
pairs["weights"] = [read_model(path)[2][0] for path in (doc, f"../pi/{doc}")]
for name, (one, other) in pairs.items():
    apart = abs(one - other)
    differ, largest = np.flatnonzero(apart) + 1, apart.max()
    first = f", the first at {differ[0]:,}, by at most {largest:.1e}" if len(differ) else ""
    print(f"{name}: {len(differ):,} of {one.size:,} differ{first}")
    fits = fits and largest <= BOUND
sys.exit(not fits)
END
}
train_on_both paper
echo "== the same with Debian's own BLAS"
begun=$SECONDS
(cd "$work/pi" && "${own_blas[@]}" controller.py "${seeded[@]}" --model own.doc --metadata own.log > /dev/null)
echo "pi: $((SECONDS - begun)) s"
echo "== all layers, with jitter"
begun=$SECONDS
pi controller.py "${seeded[@]}" --train-kernels --jitter --model all.doc --metadata all.log > /dev/null
echo "pi: $((SECONDS - begun)) s"
train_on_both digits --labels 0 1 2 3 4 5 6 7 8 9 --alpha 1e-7 --output-sum 300 --alpha-decay --average

echo "== the plug pulled half-way, then --resume"
cd "$work/pi"
"${pi[@]}" controller.py "${seeded[@]}" --model pulled.doc --metadata pulled.log > /dev/null &
until [ -f pulled.log ] && [ "$(wc -l < pulled.log)" -gt $((generations / 2)) ]; do kill -0 $!; sleep 0.1; done
kill -KILL $!
wait $! 2> /dev/null || true
sed -n 2p pulled.log
pi controller.py --resume --model pulled.doc --metadata pulled.log > /dev/null
sed -i 1d paper.log pulled.log # when training started
sed -i 's/"model_file": "[^"]*"//' paper.log.resume pulled.log.resume # the two have different names
for file in .doc .log .log.resume; do cmp "paper$file" "pulled$file"; done
echo "the files are those of the undisturbed run"

echo "== a picture classified, a folder evaluated, pictures preprocessed"
for machine in here pi; do
  {
    $machine cnn.py dataset/1/img002-00001.png docs/network.png --model models/shipped.doc
    for trim in "" --trim; do
      $machine -m experiments.evaluate models/shipped.doc dataset $trim
      $machine preprocessing.py docs/*.png dataset/0/img001-0000?.png --output "small$trim" $trim
    done
    $machine -c 'import glob, PIL.Image as i  # the pixels, since how a PNG file packs them depends on the zlib
for path in sorted(glob.glob("small*/*")): print(path, i.open(path).tobytes().hex())'
  } > "$work/$machine.txt"
done
diff "$work/here.txt" "$work/pi.txt" | cut -c -200
grep -E '^(dataset/1/|right)' "$work/here.txt"
echo "all the same"
