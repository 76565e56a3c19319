"""Processes that are looked at from outside, any of which may end between two looks.

One that has ended answers psutil's questions with ``NoSuchProcess``; while nobody has taken its status yet, with
``ZombieProcess``, and some of them with ``AccessDenied``, as its memory is nobody's any more.
"""

from __future__ import annotations

import psutil

_ENDED = (psutil.NoSuchProcess, psutil.AccessDenied)  # a ZombieProcess is a NoSuchProcess


def below(process: psutil.Process | int, *, recursive: bool = True) -> list[psutil.Process]:
    """Return what a process has started, and that in turn; nothing if it has ended."""
    try:
        parent = psutil.Process(process) if isinstance(process, int) else process
        return parent.children(recursive=recursive)
    except _ENDED:
        return []


def command_line(process: psutil.Process) -> list[str]:
    """Return the words that a process was started with; none if it has ended."""
    try:
        return process.cmdline()
    except _ENDED:
        return []


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs: one that has ended does not, also while nobody has taken its status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _ENDED:
        return False


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor seconds of a process so far; none if it has ended."""
    try:
        spent = process.cpu_times()
    except _ENDED:
        return 0.0
    return float(spent.user + spent.system)


def scans(process: psutil.Process) -> bool:
    """Tell whether it is an nmap that scans, and not one that is only asked for its version."""
    try:
        return process.name() == "nmap" and "-oX" in process.cmdline()
    except _ENDED:
        return False
