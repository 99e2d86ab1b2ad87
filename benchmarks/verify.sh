#!/usr/bin/env bash
# Every labelled set of the real data with two encoders, tuned on small English sets: e5-small-q4 (a real multilingual
# encoder) beside the compact one of real_data.sh. Evaluated on a seeded cut of CUT items a language; TyDiQA's and
# MLQA's official test sets have no labels there (TyDiQA: predictions only; MLQA: its dev).
# Usage: benchmarks/verify.sh [DATA] [OUT]      (default ../shared/data, build/verify)
# Resumable. CUT=200 TRAIN=1500 ENCODERS="e5 compact" TASKS="tatoeba ntrex udpos panx xnli pawsx tydiqa xcopa"
# MODEL=DIR of e5-small-q4 (else it is made, 20 s), COMPACT=RUN of real_data.sh (default build/real-data/run).
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${1:-../shared/data}")
OUT=${2:-build/verify}
XLT=${XLT:-.venv/bin/xlt}
PYTHON=${PYTHON:-.venv/bin/python}
CUT=${CUT:-200}
TRAIN=${TRAIN:-1500}
ENCODERS=${ENCODERS:-e5 compact}
TASKS=${TASKS:-tatoeba ntrex udpos panx xnli pawsx tydiqa xcopa}
MODEL=${MODEL:-build/e5-small-q4}
COMPACT=${COMPACT:-build/real-data/run}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false
TRAINED_ON="web pairs and labelled sets of multilingual-e5's card, NLI and parallel text among them"
started=$SECONDS
step() { echo; echo "\$ xlt $*"; "$XLT" "$@" --threads 1; echo "[$((SECONDS - started)) s]"; }

mkdir -p "$OUT"
[ -e "$OUT/cut-$CUT/done" ] || { "$PYTHON" benchmarks/verify.py cut "$DATA" "$OUT/cut-$CUT" "$CUT"; touch "$OUT/cut-$CUT/done"; }
ROOT=$OUT/cut-$CUT
tune() { # ENCODER NAME FLAGS...: train on small English sets, once
    local encoder=$1 name=$2 flags=()
    shift 2
    if [ "$encoder" = e5 ]; then
        [ -e "$MODEL/model.safetensors" ] || "$PYTHON" "$DATA/../tools/e5_small.py" "$MODEL"
        flags=(--config width-384 --model "$MODEL" --trained-on "$TRAINED_ON")
    else
        flags=(--model "$COMPACT")
    fi
    step train "${flags[@]}" --data "$DATA" --train-examples "$TRAIN" --dev-examples 300 --out "$OUT/runs/$encoder-$name" \
        --resume "$@"
}
score() { # ENCODER TASK BUNDLE FLAGS...
    local encoder=$1 task=$2 bundle=$3
    shift 3
    step eval "$bundle" --tasks "$task" --langs all --data "$ROOT" --out "$OUT/results/$encoder-$task" "$@"
}
target() { # ENCODER TASK FLAGS... -- FLAGS OF EVAL
    local encoder=$1 task=$2 flags=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do flags+=("$1"); shift; done
    [ $# -eq 0 ] || shift
    tune "$encoder" "$task" --target "$task" "${flags[@]}"
    step export "$OUT/runs/$encoder-$task" --force
    score "$encoder" "$task" "$OUT/runs/$encoder-$task/bundles/$task" "$@"
}
encoder_of() { [ "$1" = e5 ] && echo "$MODEL" || echo "$COMPACT/encoder"; }

for encoder in $ENCODERS; do
    for task in $TASKS; do
        case $task in
            tatoeba | ntrex)
                step export "$(encoder_of "$encoder")" --task tatoeba --layer last --out "$OUT/bundles/$encoder" --force
                if [ "$task" = tatoeba ]; then score "$encoder" tatoeba "$OUT/bundles/$encoder"; else
                    score "$encoder" ntrex "$OUT/bundles/$encoder" --task-file ntrex --use "ntrex=$OUT/bundles/$encoder"
                fi
                ;;
            udpos) target "$encoder" udpos ;;
            panx) target "$encoder" panx -- --split dev ;;
            xnli) target "$encoder" xnli --train-split "mnli=$DATA/xnli/dev-en.tsv.gz" ;;
            pawsx) target "$encoder" pawsx --train-split "pawsx=$DATA/pawsx/dev-en.tsv.gz" ;;
            tydiqa)
                target "$encoder" tydiqa
                bundle=$OUT/runs/$encoder-tydiqa/bundles/tydiqa
                score "$encoder" xquad "$bundle" --use xquad=tydiqa
                score "$encoder" mlqa "$bundle" --use mlqa=tydiqa --split dev
                ;;
            xcopa)
                tune "$encoder" xcopa --intermediate cosmosqa --target none \
                    --train-split "cosmosqa=$DATA/cosmosqa/data/valid.csv.gz"
                step export "$OUT/runs/$encoder-xcopa/phases/1-cosmosqa" --task cosmosqa --out "$OUT/bundles/$encoder-choice" --force
                score "$encoder" xcopa "$OUT/bundles/$encoder-choice" --task-file xcopa --use "xcopa=$OUT/bundles/$encoder-choice"
                ;;
        esac
    done
done
"$PYTHON" benchmarks/verify.py table "$OUT"
