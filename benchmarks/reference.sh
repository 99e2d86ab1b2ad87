#!/usr/bin/env bash
# The reference runs: XLM-R Base and Large on the whole of XTREME, tuned on English alone ("direct") and after MNLI
# ("mnli"), three seeds each, with the official submission folders and one report a model.
# NOT RUN BY US: it needs access to the Hugging Face hub (models, and the data of `xlt data fetch`) and a GPU.
# PAN-X, UD-POS and BUCC are better taken from XTREME's own download script into the same DATA folder; what is there
# stays. `benchmarks/README.md` says what is published for these models.
# Usage: benchmarks/reference.sh [DATA] [OUT]      (default download, build/reference)
# Resumable: a second call continues. MODELS="base large", SEEDS="1 2 3", ARMS="direct mnli", XLT=PATH,
# EXTRA="--engine ray --address HEAD:6379" for every evaluation.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${1:-download}
OUT=${2:-build/reference}
XLT=${XLT:-.venv/bin/xlt}
MODELS=${MODELS:-base large}
SEEDS=${SEEDS:-1 2 3}
ARMS=${ARMS:-direct mnli}
read -r -a EXTRA <<<"${EXTRA:-}"
started=$SECONDS
step() { echo; echo "\$ xlt $*"; "$XLT" "$@"; echo "[$((SECONDS - started)) s]"; }

step data fetch --data "$DATA" \
    --tasks xnli,pawsx,udpos,panx,xquad,mlqa,tydiqa,bucc2018,tatoeba,mnli,squad
step data check --data "$DATA"
for model in $MODELS; do
    results=()
    baselines=()
    for seed in $SEEDS; do
        for arm in $ARMS; do
            run=$OUT/$model-$arm-$seed
            phases=()
            [ "$arm" = direct ] || phases=(--intermediate "$arm")
            step train --config "xlm-roberta-$model" --data "$DATA" "${phases[@]}" --target all \
                --seed "$seed" --out "$run" --resume
            step export "$run" --data "$DATA" --force
            step eval "$run" --langs all --cross --data "$DATA" --out "$run/results" \
                --submission "$OUT/submission-$model-$arm-$seed" "${EXTRA[@]}"
            if [ "$arm" = direct ]; then baselines+=(--baseline "$run/results"); else results+=("$run/results"); fi
        done
    done
    # Runs after MNLI beside those tuned directly, seed by seed; either alone where the other was not asked for.
    if [ ${#results[@]} -gt 0 ]; then
        step report "${results[@]}" "${baselines[@]}" --data "$DATA" --out "$OUT/$model.html"
    else
        direct=()
        for entry in "${baselines[@]}"; do [ "$entry" = --baseline ] || direct+=("$entry"); done
        step report "${direct[@]}" --data "$DATA" --out "$OUT/$model.html"
    fi
done
