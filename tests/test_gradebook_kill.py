import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gradebook_fakes import LAB

from autograder import notebook as nb
from autograder.build import ROOT
from autograder.gradebook import Course, open_book, rows

COUNT = 40
WRITER = f"""
import sys, time
from gradebook_fakes import entry, outcome
from autograder.gradebook import Course, open_book
with open_book(Course.open(sys.argv[1])) as book:
    print("open", flush=True)
    for number in range({COUNT}):
        if number == int(sys.argv[2]):
            time.sleep(600)
        failing = ["keeps_the_largest"] if number % 3 else []
        answers = {{"pruning-1-explain": f"answer {{number}}"}}
        book.write(entry(f"student{{number:02}}", answers, outcome=outcome(failing)))
        print(number, flush=True)
"""


def writer(course, most=COUNT):
    """A process that writes so many submissions of the class, and tells of each when it is written."""
    path = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(course.root), str(most)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdout.readline() == "open\n"
    return process


def finish(process):
    process.communicate(timeout=240)
    return process.returncode


def files(course):
    found = [path for folder in (course.autograded, course.outcomes) for path in sorted(folder.rglob("*"))]
    return {str(path.relative_to(course.root)): path.read_bytes() for path in found if path.is_file()}


def whole(course):
    """Each submission in the database is complete or not there."""
    with contextlib.closing(sqlite3.connect(course.gradebook)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table, count in (("grade", 11), ("comment", 13)):
            query = f"SELECT count(*) FROM {table} GROUP BY notebook_id"
            assert {row[0] for row in database.execute(query)} <= {count}
        written = database.execute("SELECT count(DISTINCT student) FROM efflab_answer").fetchone()[0]
        assert written == database.execute("SELECT count(*) FROM submitted_assignment").fetchone()[0]
        unset = "SELECT count(*) FROM grade WHERE auto_score IS NULL AND NOT needs_manual_grade"
        assert database.execute(unset).fetchone() == (0,)
    return written


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_gradebook_and_goes_on(tmp_path):
    template = Course.create(tmp_path / "template")
    with open_book(template) as book:
        book.prepare(nb.find(ROOT))
    undisturbed = Course(shutil.copytree(template.root, tmp_path / "undisturbed"))
    assert finish(writer(undisturbed)) == 0
    disturbed = Course(shutil.copytree(template.root, tmp_path / "disturbed"))
    moments = random.Random(3)
    for least, most in ((0, 8), (8, 16), (16, 24), (24, 32)):
        process = writer(disturbed, most)
        for number in range(least):
            assert process.stdout.readline() == f"{number}\n"
        time.sleep(moments.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert least <= whole(disturbed) <= most
    assert finish(writer(disturbed)) == 0
    assert whole(disturbed) == COUNT
    assert rows(disturbed, LAB) == rows(undisturbed, LAB)
    assert files(disturbed) == files(undisturbed)
