"""The plugin, as pytest runs it in somebody's project."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.faults import FAULTY_ADAPTERS

XDIST = pytest.param(["-n", "2"], marks=pytest.mark.slow)

CELL = """
    import numpy as np

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def my_cell(x, h, c, kernel, bias, forget_bias):
        i, j, f, o = np.split(np.concatenate([x, h], axis=1) @ kernel + bias, 4, axis=1)
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
        return sigmoid(o) * np.tanh(c), c

    def without_forget_bias(x, h, c, kernel, bias):
        return my_cell(x, h, c, kernel, bias, 0)
"""
PARITY = """
    import pytest

    @pytest.mark.rnnparity("numpy.*", seeds=[0, 1], units=[4, 8], steps=5)
    def test_parity(rnnparity_run):
        rnnparity_run.check()
"""
TRAJECTORY = """
    import numpy as np

    def test_it(rnnparity_regression):
        hidden = np.linspace(-0.9, 0.9, 24, dtype="{dtype}").reshape(2, 4, 3)
        hidden[1, 2, 0] += {change}
        rnnparity_regression.check({{"hidden": hidden[:, :{steps}]}})
"""


def write(pytester: pytest.Pytester, **values: object) -> Path:
    text = TRAJECTORY.format(**{"dtype": "float32", "change": 0, "steps": 4, **values})
    return pytester.makepyfile(test_recorded=text)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-W", "error", *arguments)


def test_it_costs_nothing_when_unused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest("""
        import sys
        def pytest_sessionfinish():
            print("LOADED", *sys.modules)
    """)
    out = run(pytester, "-s")
    (line,) = (line for line in out.outlines if "LOADED" in line)
    loaded = {name.partition(".")[0] for name in line.split()}
    assert "rnnparity" in loaded
    assert not {"numpy", "pandas", "rich", "plotly", "torch", "keras", "tensorflow", "psutil"} & loaded


def test_a_cell_of_one_s_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CELL
        + """
    def test_mine(rnnparity):
        rnnparity.check(my_cell, like="tf.nn.rnn_cell.LSTMCell")

    def test_all_weights_in_a_dict(rnnparity):
        def cell(x, h, c, weights, forget_bias):
            return my_cell(x, h, c, **weights, forget_bias=forget_bias)
        rnnparity.check(cell, like="tf.nn.rnn_cell.LSTMCell", batch=2, steps=3, dtype="float64")

    def test_bias_of_a_keras_layer(rnnparity):
        def cell(x, h, c, kernel, recurrent_kernel, bias):
            i, f, j, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
            return sigmoid(o) * np.tanh(c), c
        rnnparity.check(cell, like="keras.layers.LSTM")
    """
    )
    run(pytester).assert_outcomes(passed=3)


def test_a_wrong_cell_is_shown_where_it_differs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        CELL
        + """
    def test_mine(rnnparity):
        rnnparity.check(without_forget_bias, like="tf.nn.rnn_cell.LSTMCell", units=3, steps=4)
    """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*without_forget_bias is not tf.nn.rnn_cell.LSTMCell: seed 0, with the case's weights: *"
            "errors are made from step 0 on, in the *forget gate*",
            "E * of batch *, unit *",
            "E *step*got*expected*worst, in noise units",
            "E *> *",
            "E *cell, step alone*",
            "E *why, as a change to tf.nn.rnn_cell.LSTMCell:",
            "E *forget-bias (confirmed): the forget bias is 0 instead of 1",
            "E * -> * times the noise (limit 6)",
            "E *to remove it: in tf.nn.rnn_cell.LSTMCell as given, pass `forget_bias=0`",
        ]
    )
    result.stdout.no_fnmatch_line("*unknown*")
    assert "own_cells.py" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


def test_what_a_function_must_take(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(rnnparity):
            rnnparity.check(lambda x, h, c, w: (h, c), like="torch.nn.LSTMCell")
    """)
    result = run(pytester)
    result.stdout.fnmatch_lines(["*should be a function of (x, h, c, weight_ih, weight_hh, bias_ih, *"])


def test_a_missing_recording_is_written_and_fails(pytester: pytest.Pytester) -> None:
    write(pytester)
    first = run(pytester)
    first.assert_outcomes(failed=1)
    recorded = Path("test_recorded", "test_it.npz")
    first.stdout.fnmatch_lines([f"*no recording; {recorded} has been written. Commit it and run again.*"])
    assert (pytester.path / recorded).exists()
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"change": 1e-3}, "*hidden differs from step 2 on; largest at hidden?batch 1, step 2, unit 0?*"),
        ({"dtype": "float64"}, "*hidden is ?2, 4, 3? float64, but should be ?2, 4, 3? float32*"),
        ({"steps": 3}, "*hidden is ?2, 3, 3? float32, but should be ?2, 4, 3? float32*"),
        ({"change": "np.nan"}, "*hidden differs from step 2 on*"),
    ],
)
def test_a_regression(pytester: pytest.Pytester, planted: dict[str, object], said: str) -> None:
    write(pytester)
    run(pytester)
    write(pytester, change=1e-8)
    run(pytester).assert_outcomes(passed=1)
    write(pytester, **planted)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [said, "*If that is right: pytest --rnnparity-record 'test_recorded.py::test_it'"]
    )
    run(pytester, "--rnnparity-record").assert_outcomes(passed=1)
    run(pytester).assert_outcomes(passed=1)


def test_provenance_is_apart_from_numbers(pytester: pytest.Pytester) -> None:
    from rnnparity.pytest_plugin import stored_trajectory

    write(pytester)
    run(pytester)
    path = pytester.path / "test_recorded" / "test_it.npz"
    stored = stored_trajectory.read_stored(path)
    stored.meta["provenance"]["versions"]["numpy"] = "0.9"
    stored_trajectory.record(stored, path)
    result = run(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 recording still holds: versions numpy: recorded with 0.9, now *"])
    write(pytester, change=0.1)
    result = run(pytester)
    result.stdout.fnmatch_lines(
        ["*hidden differs from*", "*what else has changed since:", "*numpy: recorded with*"]
    )


def test_a_corrupt_recording(pytester: pytest.Pytester) -> None:
    write(pytester)
    run(pytester)
    (pytester.path / "test_recorded" / "test_it.npz").write_bytes(b"PK")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"*{Path('test_recorded', 'test_it.npz')} is no recording: file: got *",
            "*If that is right: pytest --rnnparity-record 'test_recorded.py::test_it'",
        ]
    )


@pytest.mark.parametrize("processes", [[], XDIST])
def test_what_was_recorded_is_said(pytester: pytest.Pytester, processes: list[str]) -> None:
    write(pytester)
    pytester.makepyfile(
        test_two=TRAJECTORY.format(dtype="float32", change=0, steps=4).replace("test_it", "test_two")
    )
    one = f"    {Path('test_recorded', 'test_it.npz')}"
    two = f"    {Path('test_two', 'test_two.npz')}"
    said = ["2 recordings written:", one, two]
    run(pytester, *processes).stdout.fnmatch_lines(said, consecutive=True)
    run(pytester, *processes).stdout.no_fnmatch_line("*recording*:")
    (pytester.path / one.strip()).unlink()
    result = run(pytester, "--rnnparity-record", *processes)
    result.assert_outcomes(passed=2)
    said = ["1 recording renewed:", two, "1 recording written:", one]
    result.stdout.fnmatch_lines(said, consecutive=True)


@pytest.mark.parametrize("processes", [[], XDIST])
def test_unused_recordings(pytester: pytest.Pytester, processes: list[str]) -> None:
    write(pytester)
    run(pytester)
    (pytester.path / "test_recorded" / "test_old.npz").write_bytes(b"")
    result = run(pytester, *processes)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["unused recording: *test_old.npz"])
    result.stdout.no_fnmatch_line("unused recording: *test_it.npz")
    result = run(pytester, "test_recorded.py")
    result.stdout.no_fnmatch_line("unused recording*")


@pytest.mark.parametrize("arguments", [[], XDIST, ["-p", "no:cacheprovider"]])
def test_parametrised(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile(PARITY)
    result = run(pytester, "-v", *arguments)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*numpy.lstm_cell@numpy-seed1-units8?*"])


def test_one_worker_for_a_whole_run(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import subprocess
        started = []
        class Counting(subprocess.Popen):
            def __init__(self, arguments, *rest, **options):
                started.append([str(word) for word in arguments])
                super().__init__(arguments, *rest, **options)
        subprocess.Popen = Counting
        def pytest_sessionfinish():
            print("STARTED", sum(command[-1].endswith("boot.py") for command in started))
    """)
    pytester.makepyfile(PARITY)
    result = run(pytester, "-s")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*STARTED 1"])


def test_a_mark_without_its_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.rnnparity('numpy.*')\ndef test_it(): pass")
    result = run(pytester)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*marked rnnparity, but takes no fixture rnnparity_run*"])


FAULTS = """
    import pytest
    from rnnparity import Api, Live
    from rnnparity_adapters import layouts

    def fault(name):
        return Api("faults." + name, layouts.CANONICAL, live=(Live("numpy", "numpy", "{path}:" + name),))

    @pytest.mark.rnnparity(fault("Sound"), fault("SwapInBoth"), seeds=[0, 1], steps=5, units=4)
    def test_parity(rnnparity_run):
        rnnparity_run.check()
"""


def known(pytester: pytest.Pytester, *lines: str) -> None:
    pytester.makeini("[pytest]\nrnnparity_known = known.txt")
    (pytester.path / "known.txt").write_text("\n".join(("# what differs", "", *lines)))
    pytester.makepyfile(FAULTS.format(path=FAULTY_ADAPTERS))


@pytest.mark.parametrize("processes", [[], XDIST])
def test_known_differences(pytester: pytest.Pytester, processes: list[str]) -> None:
    known(pytester, "faults.SwapInBoth@* | * | gate-order | the fault is planted | https://example.org/1")
    result = run(pytester, "-rx", *processes)
    result.assert_outcomes(passed=2, xfailed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*gate-order: the fault is planted (https://example.org/1)*"])


@pytest.mark.parametrize("processes", [[], XDIST])
def test_a_known_difference_of_nothing_fails(pytester: pytest.Pytester, processes: list[str]) -> None:
    known(
        pytester,
        "faults.SwapInBoth@* | * | gate-order | the fault is planted | link",
        "faults.Gone@* | * | precision | it is gone | link",
    )
    result = run(pytester, *processes)
    result.assert_outcomes(passed=2, xfailed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: known.txt, line 4: faults.Gone@? | ? matches no test; remove it"])


def test_a_known_difference_that_is_no_more_fails(pytester: pytest.Pytester) -> None:
    known(pytester, "faults.* | seed1 | gate-order | it is gone | link")
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*the known difference gate-order is no more: remove line 3 of*"])


def test_a_known_difference_of_another_cause_fails(pytester: pytest.Pytester) -> None:
    known(pytester, "faults.SwapInBoth@* | * | forget-bias | no, gates are swapped | link")
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*the known difference forget-bias is not what was found, gate-order: see line 3 of*",
            "*differs from step 0 on*",
            "gate-order (confirmed): *",
            "  to remove it: *",
        ]
    )


def test_what_nothing_explains_is_known_as_unknown(pytester: pytest.Pytester) -> None:
    known(pytester, "faults.Odd@* | * | unknown | nobody knows | link")
    path = pytester.path / "test_what_nothing_explains_is_known_as_unknown.py"
    path.write_text(path.read_text().replace("SwapInBoth", "Odd"))
    run(pytester).assert_outcomes(passed=2, xfailed=2)
    known(pytester, "faults.SwapInBoth@* | * | unknown | but it is known | link")
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*the known difference unknown is not what was found, gate-order: *"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "faults.SwapInBoth@* | * | forget_bias | not how it is written | link",
            "cause: got forget_bias, but should be forget-bias",
        ),
        ("faults.* | seed1 | it is gone", "got faults.* | seed1 | it is gone, but should be api | *"),
    ],
    ids=["a cause that is none", "three columns"],
)
def test_a_line_that_is_no_known_difference(pytester: pytest.Pytester, line: str, said: str) -> None:
    known(pytester, line)
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *known.txt, line 3: {said}"])


def test_a_crash_and_a_divergence(pytester: pytest.Pytester) -> None:
    known(pytester, "faults.Segfault@* | * | unknown | a crash is no difference | link")
    path = pytester.path / "test_a_crash_and_a_divergence.py"
    path.write_text(path.read_text().replace('"Sound"', '"Segfault"'))
    result = run(pytester)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*faults.Segfault@numpy crashed: the worker was ended by SIGSEGV*"])
    result.stdout.fnmatch_lines(
        [
            "*faults.SwapInBoth@numpy *: seed 0, with the case's weights: cell differs *",
            "*why, as a change to faults.SwapInBoth:",
            "*gate-order (confirmed): *",
            "*to remove it: in faults.SwapInBoth as given, reorder the gate blocks of `kernel` (axis 1) "
            "and `bias` (axis 0): take blocks ?2, 1, 0, 3?",
        ]
    )


def test_disabled(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PARITY + "\n    def test_other(): pass")
    result = pytester.runpytest_subprocess("-p", "no:rnnparity")
    result.assert_outcomes(passed=1, errors=1, warnings=1)
    result.stdout.fnmatch_lines(["*fixture 'rnnparity_run' not found*"])
    result = pytester.runpytest_subprocess("-p", "no:rnnparity", "--rnnparity-record")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


LAYERS = {
    "torch": """
        import torch

        def test_layers(rnnparity, rnnparity_regression):
            torch.manual_seed(0)
            layer = torch.nn.LSTM(5, 4)
            before = [p.clone() for p in layer.parameters()]
            rnnparity.check(layer)
            rnnparity.check(torch.nn.LSTMCell(5, 4), seeds=[0])
            rnnparity.check(layer, like="tf.nn.rnn_cell.LSTMCell", seeds=[0])
            assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters()))
            assert not layer.batch_first
            rnnparity_regression.check(layer, steps=6)

        class Wrong(torch.nn.LSTM):
            def forward(self, x, state=None):
                h, c = super().forward(x, state)
                return h * 1.001, c

        class WithForgetBias(torch.nn.LSTMCell):
            def forward(self, x, state=None):
                bias = self.bias_ih.clone()
                self.bias_ih.data[4:8] += 1
                state = super().forward(x, state)
                self.bias_ih.data[:] = bias
                return state

        def test_wrong(rnnparity):
            rnnparity.check(Wrong(5, 4))

        def test_diagnosis(rnnparity):
            rnnparity.check(WithForgetBias(5, 4))

        def test_stack(rnnparity):
            rnnparity.check(torch.nn.LSTM(5, 4, num_layers=2))
    """,
    "keras-tf": """
        import keras

        def test_layers(rnnparity, rnnparity_regression):
            layer = keras.layers.LSTM(4, kernel_initializer=keras.initializers.GlorotUniform(seed=1),
                                      recurrent_initializer=keras.initializers.Orthogonal(seed=1))
            layer.build((None, None, 5))
            rnnparity.check(layer, seeds=[0], steps=5)
            rnnparity.check(keras.layers.LSTMCell(4), seeds=[0], steps=5)
            rnnparity_regression.check(layer, steps=6)

        def test_wrong(rnnparity):
            rnnparity.check(keras.layers.LSTM(4, activation="relu"), seeds=[0], steps=5)

        def test_diagnosis(rnnparity):
            layer = keras.layers.LSTMCell(4, recurrent_activation="hard_sigmoid")
            rnnparity.check(layer, seeds=[0], steps=5)

        def test_stack(rnnparity):
            rnnparity.check(keras.layers.LSTM(4, go_backwards=True), seeds=[0], steps=5)
    """,
}


DIAGNOSES = {
    "torch": [
        "E *why, as a change to torch.nn.LSTMCell:",
        "E *forget-bias (confirmed): *",
        "E *to remove it: in torch.nn.LSTM* as given, add 1 to `bias_ih?U:2[*]U?`",
    ],
    "keras-tf": [
        "E *why, as a change to keras.layers.LSTMCell:",
        "E *recurrent-activation (confirmed): *",
        "E *to remove it: in keras.layers.LSTM* as given, pass `recurrent_activation='hard_sigmoid'`",
    ],
}


@pytest.mark.frameworks
@pytest.mark.parametrize("environment", LAYERS)
def test_layers_in_the_user_s_own_process(
    pytester: pytest.Pytester, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest runs here, with the packages of an environment beside it, as in a project that uses one."""
    from rnnparity.environments import declarations

    declared = declarations.declared()[environment]
    python = needs.environment(environment)
    asked = (
        "import sysconfig; print(*sysconfig.get_python_version().split('.'), sysconfig.get_path('purelib'))"
    )
    *version, packages = subprocess.run(
        [python, "-c", asked], check=True, capture_output=True, text=True
    ).stdout.split()
    if tuple(map(int, version)) != sys.version_info[:2]:
        needs.lacking(f"pytest in Python {'.'.join(version)}, as {environment} has it")
    monkeypatch.setenv("PYTHONPATH", packages)
    for name, value in declared.variables.items():
        monkeypatch.setenv(name, value)
    pytester.makepyfile(LAYERS[environment])
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*there was no recording*"])
    result.stdout.fnmatch_lines(DIAGNOSES[environment])
    result.stdout.fnmatch_lines(["* is not what it says it is: seed 0, *differs from step *"])
    result.stdout.fnmatch_lines(["*one layer, one direction, no projection"])
    (module,) = pytester.path.glob("test_*.py")
    pytester.runpytest_subprocess(f"{module.name}::test_layers").assert_outcomes(passed=1)
