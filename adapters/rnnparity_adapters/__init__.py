"""Layouts, equations and framework adapters of rnnparity.

Everything here is Python 3.7 and numpy only, because TensorFlow 1.15 cannot live with anything newer.
It never imports ``rnnparity``; the harness imports it, and the worker processes run it.
A framework is imported only inside the adapter module that needs it, and only in a worker.
"""
