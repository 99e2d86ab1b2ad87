#!/usr/bin/env bash
# The whole path on real files: train -> export -> eval, on two cores within 20 minutes.
# Usage: benchmarks/real_data.sh [DATA] [OUT] [SEED]     (default ../shared/data, build/real-data, 1)
# Every stage is resumable: a second call continues, or reuses what is done.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${1:-../shared/data}
OUT=${2:-build/real-data}
SEED=${3:-1}
XLT=${XLT:-.venv/bin/xlt}
started=$SECONDS
step() { echo; echo "\$ xlt $*"; "$XLT" "$@"; echo "[$((SECONDS - started)) s]"; }

# 1. Three targets, one compact encoder, English training data only.
step train --model compact --data "$DATA" --target udpos,panx,tydiqa --seed "$SEED" --out "$OUT/run" --resume
step export "$OUT/run"
step eval "$OUT/run" --tasks udpos,tatoeba,xquad --use xquad=tydiqa --langs all --data "$DATA"
step eval "$OUT/run" --tasks panx --split dev --langs all --data "$DATA" --out "$OUT/dev-results"

# 2. Pair and choice kinds, trained on parts that are not the official train splits (recorded as
#    non-standard in run.json): SNLI dev as NLI data, a seeded part of Cosmos QA valid.
step train --model "$OUT/run" --data "$DATA" --target xnli --epochs 3 --seed "$SEED" \
    --train-split "mnli=$DATA/snli/snli_1.0/snli_1.0_dev.jsonl.gz" --out "$OUT/nli" --resume
step train --model "$OUT/run" --data "$DATA" --intermediate cosmosqa --target none --epochs 1 --seed "$SEED" \
    --train-split "cosmosqa=$DATA/cosmosqa/data/valid.csv.gz" --train-examples 1500 \
    --out "$OUT/choice" --resume
step export "$OUT/nli"
step eval "$OUT/nli" --tasks xnli --langs all --data "$DATA"
echo; echo "everything: $((SECONDS - started)) s"
