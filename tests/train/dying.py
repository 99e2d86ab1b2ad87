"""Runs trainings in processes that kill themselves; started as a script, so torch loads once.

Reads one JSON line per training from stdin: the fields of its configuration, and the moment of
its death. Answers with the exit status, negative for a signal. A moment is

* `{"at": "step", "phase": NAME, "number": N}`: before step N of a phase;
* `{"at": "any step", "number": N}`: before the N-th step of this process, whatever the phase;
* `{"at": "write", "number": N}`: in the N-th file of a checkpoint, when half of it is written;
* `{"at": "between", "number": N}`: after the N-th checkpoint, before what it replaces is gone;
* `{"at": "folder", "number": N}`: in the N-th model folder, when its weights are written;
* `{"at": "record", "number": N}`: before run.json is written for the N-th time;
* `{"at": "finish"}`: when the state is gone and run.json does not say `done` yet;
* `null`: never.
"""

import contextlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch

import xlt.train.loop.loop as loop
import xlt.train.loop.state as state
from xlt.core.artifacts.runs import Run
from xlt.train import TrainConfig, fit, models

torch.set_num_threads(1)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def counted(number, act, true):
    """`true`, but the call of this number does `act` instead."""
    calls = []

    def work(*given, **named):
        calls.append(1)
        return (act if len(calls) == number else true)(*given, **named)

    return work


def torn(path, tensors):
    """Half of a file, and the end."""
    whole_write(path, tensors)
    os.truncate(path, path.stat().st_size // 2)
    die()


whole_write = state._write


def arm(moment):
    """Put the death where the moment says."""
    at, number = moment["at"], moment.get("number", 0)
    if at == "step":
        true = loop._step

        def step(job, optimizer, position, checkpoints):
            if job.name == moment["phase"] and position.step == number:
                die()
            return true(job, optimizer, position, checkpoints)

        loop._step = step
    elif at == "any step":
        loop._step = counted(number, die, loop._step)
    elif at == "write":
        state._write = counted(number, torn, whole_write)
    elif at == "between":
        state.atomic_folder = dying_after(number, state.atomic_folder)
    elif at == "folder":
        models.shutil.copyfile = counted(number, die, models.shutil.copyfile)
    elif at == "record":
        Run.save = counted(number, die, Run.save)
    elif at == "finish":
        true_save = Run.save
        Run.save = lambda run, **given: die() if "status" in given else true_save(run, **given)


def dying_after(number, true):
    """An atomic folder that is there, and then the process is not."""
    calls = []

    @contextlib.contextmanager
    def work(target):
        calls.append(1)
        with true(target) as folder:
            yield folder
        if len(calls) == number:
            die()

    return work


def main():
    for line in sys.stdin:
        fields, moment = json.loads(line)
        child = os.fork()
        if not child:
            try:
                if moment:
                    arm(moment)
                tuples = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
                paths = {name: Path(fields[name]) for name in ("data", "out")}
                fit(TrainConfig(**{**fields, **tuples, **paths}))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
