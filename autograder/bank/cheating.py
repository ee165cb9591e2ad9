"""Hostile submissions that want points for nothing: replaced functions, lying objects, tampered interpreters.

Each attacks one task with an answer that is wrong (it returns its input, or nothing); the others are solved. What is
replaced for the cheat is in the way of the honest functions too, so some may lose points; none may gain any.
"""

from autograder.bank.submission import Entry, attack

INPUT = "return args[0]"
UNTOUCHED = {"01-pruning": {"pruning-2": 1.0}}
"""What returning the input earns honestly: lab 01 gives a point for leaving the arguments as they are."""

REPLACED: tuple[Entry, ...] = (
    attack("returns-its-input", "the function returns its first argument, and nothing is tampered with", kind="broken", call=INPUT, points=UNTOUCHED),
    attack("empties-cells", "IPython is told that every later cell is empty", exact=False, setup="""
        get_ipython().input_transformers_post.append(lambda lines: ["pass"])
        """),
    attack("replaced-numpy-testing", "numpy's assertions and counts are replaced by constants", exact=False, setup="""
        import numpy as np
        for name in np.testing.__all__:
            if callable(getattr(np.testing, name)):
                setattr(np.testing, name, lambda *a, **k: True)
        np.count_nonzero = lambda *a, **k: 2
        np.array_equal = np.allclose = lambda *a, **k: True
        """, call=INPUT, points=UNTOUCHED),
    attack("replaced-torch", "torch's comparisons always agree", exact=False, setup="""
        import torch
        torch.equal = torch.allclose = torch.isclose = lambda *a, **k: True
        torch.testing.assert_close = lambda *a, **k: None
        torch.Tensor.__eq__ = lambda self, other: torch.ones(self.shape, dtype=torch.bool)
        torch.Tensor.equal = torch.Tensor.allclose = lambda *a, **k: True
        """, call=INPUT, points=UNTOUCHED),
    attack("replaced-builtins", "builtins give what a check wants to hear", exact=False, setup="""
        import builtins
        builtins.AssertionError = type("Quiet", (Exception,), {})
        builtins.isinstance = lambda *a: True
        builtins.all = builtins.any = lambda *a: True
        builtins.abs = lambda x: 0
        builtins.len = lambda x: 1
        """, call=INPUT, points=UNTOUCHED),
    attack("emptied-builtins", "the notebook has builtins of its own, and the real ones are cleared", exact=False, setup="""
        __builtins__ = {"AssertionError": None}
        import builtins
        vars(builtins).clear()
        """, call=INPUT, points=UNTOUCHED),
    attack("tracing", "a tracer jumps over assertions, a profiler changes results", exact=False, setup="""
        import sys, threading
        def tracer(frame, event, argument):
            frame.f_trace_lines = True
            if event == "exception":
                frame.f_lineno = frame.f_code.co_firstlineno
            return tracer
        sys.settrace(tracer)
        threading.settrace(tracer)
        sys.setprofile(lambda *a: None)
        sys.excepthook = lambda *a: None
        """, call=INPUT, points=UNTOUCHED),
    attack("ast-transformers", "IPython is told to drop every assertion", setup="""
        import ast
        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()
        try:
            get_ipython().ast_transformers.append(Drop())
        except NameError:
            pass
        """, call=INPUT, points=UNTOUCHED),
    attack("import-hook", "every import is intercepted, modules are replaced in sys.modules", exact=False, setup="""
        import builtins, sys, types
        real = builtins.__import__
        def lying(name, *rest):
            module = real(name, *rest)
            if name.startswith(("autograder", "numpy.testing")):
                for key in dir(module):
                    if callable(getattr(module, key)) and not key.startswith("__"):
                        setattr(module, key, lambda *a, **k: True)
            return module
        builtins.__import__ = lying
        for name in ("autograder", "autograder.tasks", "autograder.expect", "autograder.wire"):
            sys.modules[name] = types.ModuleType(name)
        sys.path.insert(0, ".")
        open("autograder.py", "w").write("grade = lambda *a: 100")
        open("sitecustomize.py", "w").write("print('mine')")
        """, call=INPUT, points=UNTOUCHED),
    attack("replaced-encoding", "msgpack and the wire's functions are replaced in the process", exact=False, setup="""
        import sys
        for name, module in list(sys.modules.items()):
            if "msgpack" in name or "wire" in name:
                for key in list(vars(module)):
                    if key in {"packb", "Packer", "encode", "_PLAIN", "_SCALARS", "LIMITS"}:
                        setattr(module, key, lambda *a, **k: b"\\xc3")
        """, call=INPUT, points=UNTOUCHED),
    attack("worker-functions", "functions of the worker, found by walking frames and garbage, are overwritten", exact=False, setup="""
        import gc, sys, types
        frames, frame = [], sys._getframe()
        while frame:
            frames.append(frame)
            frame = frame.f_back
        for frame in frames[1:]:
            for space in (frame.f_globals, frame.f_locals):
                for name in list(space):
                    if isinstance(space[name], types.FunctionType) and space is not globals():
                        try:
                            space[name].__code__ = (lambda *a, **k: True).__code__
                        except ValueError:
                            pass
        """, call=INPUT, points=UNTOUCHED),
)  # fmt: skip

LYING: tuple[Entry, ...] = (
    attack("lying-array", "an ndarray subclass is equal to everything", setup="""
        import numpy as np
        class Lie(np.ndarray):
            __eq__ = __ne__ = __le__ = lambda self, other: np.ones(np.shape(other), bool)
            shape = property(lambda self: (4, 5))
            dtype = property(lambda self: np.dtype(float))
            size = property(lambda self: 20)
            def __array__(self, *a, **k):
                return np.zeros((4, 5))
            def __array_ufunc__(self, *a, **k):
                return True
            def __array_function__(self, *a, **k):
                return True
            def tobytes(self, *a):
                raise SystemExit
        """, call="return np.zeros((2, 3)).view(Lie), np.zeros((2, 3)).view(Lie)"),
    attack("lying-tensor", "a torch.Tensor subclass answers every function as is wanted", setup="""
        import torch
        class Lie(torch.Tensor):
            shape = property(lambda self: torch.Size((4, 5)))
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                return True
            def numpy(self, **k):
                return "anything"
        """, call="return torch.zeros(2, 3).as_subclass(Lie), torch.zeros(2, 3).as_subclass(Lie)"),
    attack("lying-object", "an object claims to be whatever it is compared with", setup="""
        class Lie:
            __class__ = tuple
            __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __len__ = lambda self: 2
            __iter__ = lambda self: iter((self, self))
            __getitem__ = lambda self, key: self
            __float__ = lambda self: 0.0
            __bool__ = lambda self: True
            __hash__ = lambda self: 0
            __array__ = lambda self, *a, **k: __import__("numpy").zeros(3)
            __getattr__ = lambda self, name: self
            __call__ = lambda self, *a, **k: self
            __reduce__ = lambda self: (exec, ("raise SystemExit",))
        """, call="return Lie()"),
    attack("lying-keys", "dicts and tuples of a kind of their own", setup="""
        class Pair(tuple):
            __eq__ = lambda self, other: True
            __hash__ = lambda self: 1
            __len__ = lambda self: 2
        class Everything(dict):
            __contains__ = lambda self, key: True
            __missing__ = lambda self, key: 0
            items = keys = values = lambda self: iter(())
            get = lambda self, key, default=None: 0
        """, call="return Pair([Everything(a=Pair())])"),
    attack("remembers", "the function answers by what it was asked before, and with the first answer for ever", setup="seen = []", call="""
        if not seen:
            seen.append(_right(*args, **kwargs))
        seen.append((args, kwargs))
        return seen[0]
        """, exact=False),
    attack("spoils-inputs", "the function writes into its arguments and into everything that it can reach", setup="import gc", call="""
        for value in (*args, *kwargs.values()):
            if hasattr(value, "zero_"):
                value.zero_()
            elif hasattr(value, "fill"):
                value.fill(0)
            elif isinstance(value, (list, dict)):
                value.clear()
        for value in gc.get_objects():
            if type(value).__name__ == "Tensor":
                value.data.zero_()
        return args[0]
        """, exact=False),
)  # fmt: skip

FORGED_CALLS: tuple[Entry, ...] = (
    attack("callback-storm", "functions that the grader lends are called without end", quick=True, setup="", exact=False, labs=("01-pruning",), after="""
        def sensitivity_scan(weights, sparsities, error, choose=None):
            while True:
                error(weights)
        def prune_and_retrain(weights, schedules, retrain, choose=None):
            while True:
                retrain(weights, {})
        """),
    attack("callback-rubbish", "functions that the grader lends are called with rubbish", exact=False, labs=("01-pruning",), after="""
        import torch
        def sensitivity_scan(weights, sparsities, error, choose=None):
            for rubbish in ((), (None,), ([[[]]],), ({"x": torch.zeros(10**6)},), (error,), (object(),), tuple(range(10000))):
                try:
                    error(*rubbish)
                except BaseException as problem:
                    print(problem)
            return {name: [error] * len(sparsities) for name in weights}
        """),
)  # fmt: skip

ENTRIES = (*REPLACED, *LYING, *FORGED_CALLS)
