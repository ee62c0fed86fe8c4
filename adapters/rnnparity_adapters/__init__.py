"""Layouts, equations and framework adapters of rnnparity.

Everything here runs on Python 3.7 with numpy alone, because TensorFlow 1.15 has no wheels for a newer Python:
https://pypi.org/project/tensorflow/1.15.5/#files. This package never imports ``rnnparity``. The harness
imports it, and worker processes run it. A framework is imported only by the adapter module that needs it, and
only in a worker.
"""
