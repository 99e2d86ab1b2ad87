#!/usr/bin/env bash
# Transfer with a real multilingual encoder (e5-small-q4), direct and after one NLI phase: UD-POS from 1,500 English
# sentences and XNLI from its English dev, every language that the data have, several seeds; Tatoeba before and after.
# Usage: benchmarks/real_transfer.sh [DATA] [OUT]      (default ../shared/data, build/real-transfer)
# Resumable: what is finished is kept, what was cut off goes on. SEEDS="1 2 3", MODEL=DIR (else it is made, 20 s);
# PARTS="udpos nli tatoeba xnli": what to do, in this order; also "old", UD-POS of the older xlt of OLD_XLT=PATH.
# One thread; about two hours of processor time.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=${1:-../shared/data}
OUT=${2:-build/real-transfer}
XLT=${XLT:-.venv/bin/xlt}
PYTHON=${PYTHON:-.venv/bin/python}
SEEDS=${SEEDS:-1 2 3}
PARTS=${PARTS:-udpos nli tatoeba xnli}
MODEL=${MODEL:-build/e5-small-q4}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE TOKENIZERS_PARALLELISM=false
TRAINED_ON="web pairs and labelled sets of multilingual-e5's card, NLI and parallel text among them"
mkdir -p "$OUT/done" "$OUT/results"
[ -e "$MODEL/model.safetensors" ] || "$PYTHON" "$DATA/../tools/e5_small.py" "$MODEL"
"$PYTHON" benchmarks/real_transfer.py prepare "$DATA" "$OUT"
ROOT=$OUT/data

once() { # NAME COMMAND...: run it unless it is done; its wall, user and system seconds go to done/NAME
    local name=$1 TIMEFORMAT='%R %U %S'
    shift
    [ -e "$OUT/done/$name" ] && return
    echo "[$(date +%T)] $name: $*"
    { time "$@" >>"$OUT/$name.log" 2>&1; } 2>"$OUT/done/.$name" || { tail -n 5 "$OUT/$name.log"; exit 1; }
    mv "$OUT/done/.$name" "$OUT/done/$name"
}
train() { # NAME MODEL SEED FLAGS...
    local name=$1 model=$2 seed=$3
    shift 3
    once "train-$name" "$XLT" train --config width-384 --model "$model" --data "$ROOT" --seed "$seed" --threads 1 \
        --trained-on "$TRAINED_ON" --out "$OUT/runs/$name" --resume "$@"
}
score() { # NAME MODEL TASK FLAGS...: export, evaluate, and leave the weights of targets behind
    local name=$1 model=$2 task=$3
    shift 3
    [ -e "$OUT/done/eval-$name" ] && return
    once "export-$name" "$XLT" export "$model" --task "$task" --out "$OUT/bundles/$name" --force --threads 1 "$@"
    local bundle=$OUT/bundles/$name
    [ -e "$bundle/xlt.json" ] || bundle=$(echo "$bundle"/*/)
    once "eval-$name" "$XLT" eval "$bundle" --tasks "$task" --langs all --data "$ROOT" --threads 1 \
        --out "$OUT/results/$name"
    rm -rf "$OUT/bundles/$name"
}
udpos() { # NAME MODEL SEED
    train "$1" "$2" "$3" --target udpos --train-examples 1500 --dev-examples 500
    score "$1" "$OUT/runs/$1" udpos
    rm -rf "$OUT/runs/$1/targets" "$OUT/runs/$1/encoder"
}
xnli() { # NAME MODEL SEED: a seeded tenth of its English dev set, whole premises, is kept out and selects
    train "$1" "$2" "$3" --target xnli --train-split "mnli=$ROOT/xnli/dev-en.tsv.gz"
    score "$1" "$OUT/runs/$1" xnli
    rm -rf "$OUT/runs/$1/targets" "$OUT/runs/$1/encoder"
}

old() { # NAME SEED: the same sentences, batches and rates in an older xlt
    once "train-$1" "$OLD_XLT" train --model "$MODEL" --data "$ROOT" --seed "$2" --target udpos --train-examples 1500 \
        --lr 3e-4 --epochs 2 --batch-size 32 --threads 1 --out "$OUT/runs/$1" --resume
    once "export-$1" "$OLD_XLT" export "$OUT/runs/$1" --task udpos --out "$OUT/bundles/$1" --force
    once "eval-$1" "$OLD_XLT" eval "$OUT/bundles/$1/udpos" --tasks udpos --langs all --data "$ROOT" --out "$OUT/results/$1"
}

for part in $PARTS; do
    [ "$part" = old ] && old udpos-old-1 1 && continue
    [ "$part" = tatoeba ] && score tatoeba-direct-0 "$MODEL" tatoeba --layer 8
    for seed in $SEEDS; do
        after=$OUT/runs/nli-$seed
        [ "$part" = udpos ] && udpos "udpos-direct-$seed" "$MODEL" "$seed" && continue
        train "nli-$seed" "$MODEL" "$seed" --intermediate anli+ --target none --train-split "anli+=$ROOT/nli.jsonl"
        case $part in
            nli) udpos "udpos-nli-$seed" "$after" "$seed" ;;
            tatoeba) score "tatoeba-nli-$seed" "$after" tatoeba --layer 8 ;;
            xnli)
                xnli "xnli-direct-$seed" "$MODEL" "$seed"
                xnli "xnli-nli-$seed" "$after" "$seed"
                ;;
        esac
    done
done
"$PYTHON" benchmarks/real_transfer.py table "$OUT"
