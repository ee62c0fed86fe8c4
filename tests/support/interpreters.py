"""Scripts that the interpreter of an environment runs, without rnnparity unless they are told where it is."""

import os
import subprocess
from pathlib import Path

from rnnparity.environments import declarations
from support import needs


def files_of(environment: str, script: Path, folder: Path, *arguments: object) -> list[Path]:
    """The files that a script writes into a folder, sorted. It has one thread for each library."""
    variables = {**os.environ, **declarations.declared()[environment].variables, "OMP_NUM_THREADS": "1"}
    command = [str(each) for each in (needs.environment(environment), "-I", script, *arguments)]
    subprocess.run(command, env=variables, check=True, capture_output=True)
    return sorted(folder.iterdir())
