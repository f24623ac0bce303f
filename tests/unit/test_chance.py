import subprocess
import sys

from offtake.model.chance import order, stream


def test_a_stream_has_a_name_and_repeats():
    assert stream(1, "usage").random() == stream(1, "usage").random()


def test_streams_of_other_names_and_seeds_are_others():
    draws = [
        stream(1, "usage").random(),
        stream(2, "usage").random(),
        stream(1, "appeal", "Lab A").random(),
        stream(1, "appeal", "Lab B").random(),
        stream(1, "appeal Lab A").random(),
    ]
    assert len(set(draws)) == 5


def test_more_draws_begin_with_the_same_ones():
    short, long = stream(1, "usage").standard_normal(10), stream(1, "usage").standard_normal(20)
    assert short.tolist() == long[:10].tolist()


def test_ranks_differ_by_name_and_repeat():
    assert order(1, "lot", "Lab A") == order(1, "lot", "Lab A")
    assert order(1, "lot", "Lab A") != order(1, "lot", "Lab B")


def test_draws_do_not_depend_on_the_hash_seed_of_python():
    script = "from offtake.model.chance import order; print(order(1, 'lot', 'Lab A'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "99")
    }
    assert said == {f"{order(1, 'lot', 'Lab A')}\n"}
