"""Exit codes: a contract with scripts. Errors are known by name, so none has to be imported."""

from enum import IntEnum


class Code(IntEnum):
    """What a command returns to the shell."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    SCENARIO = 3
    MODEL = 4
    IN_USE = 5
    RESOURCES = 6
    DAMAGED = 7
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


EXPECTED = {
    "offtake.model.problems.ScenarioError": Code.SCENARIO,
    "offtake.model.invariants.InvariantViolation": Code.MODEL,
    "offtake.app.server.CannotServe": Code.RESOURCES,
    "offtake.experiments.results.FolderTaken": Code.USAGE,
    "offtake.experiments.results.FolderInUse": Code.IN_USE,
    "offtake.experiments.results.CannotWrite": Code.RESOURCES,
    "offtake.experiments.results.ResultsDamaged": Code.DAMAGED,
    "offtake.experiments.comparison.Unlike": Code.USAGE,
    "offtake.experiments.explaining.explanation.NothingToExplain": Code.USAGE,
    "offtake.experiments.explaining.removals.CannotRemove": Code.USAGE,
    "offtake.experiments.explaining.replay.OtherModel": Code.USAGE,
    "offtake.experiments.explaining.why.NoSuchContract": Code.USAGE,
    "offtake.experiments.inputs.CannotSeparate": Code.SCENARIO,
    "offtake.experiments.studies.condition.NoSuchRun": Code.USAGE,
    "offtake.experiments.studies.designs.ExtraMissing": Code.USAGE,
    "offtake.experiments.studies.designs.UnusablePoints": Code.SCENARIO,
    "offtake.experiments.studies.engines.UnknownEngine": Code.USAGE,
    "offtake.experiments.studies.plan.TooManyRuns": Code.SCENARIO,
    "offtake.experiments.studies.work.EngineFailed": Code.RESOURCES,
    "offtake.experiments.studies.study.NotRun": Code.USAGE,
    "offtake.experiments.studies.sweep.TooManyFailures": Code.FINDINGS,
    "builtins.MemoryError": Code.RESOURCES,
}


def code_of(error: BaseException) -> Code:
    """Return the exit code for an error; one that nobody expected is a bug."""
    for kind in type(error).__mro__:
        code = EXPECTED.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code
    return Code.BUG
