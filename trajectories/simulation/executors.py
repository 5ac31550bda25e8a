"""Executors of a cluster: a running dask.distributed cluster, or the ranks of mpiexec."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..checks import shown
from ..errors import InvalidInput, MissingPackage

# Seconds to wait for a scheduler.
PATIENCE = 20.0


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Connect to a dask.distributed scheduler.

    Parameters
    ----------
    address : str
        Its address, such as tcp://10.0.0.1:8786, or the path of a scheduler file.

    Yields
    ------
    concurrent.futures.Executor, int
        The executor, and the number of blocks that it can process at once at present.

    Raises
    ------
    InvalidInput
        dask.distributed is not installed, or there is no scheduler or no worker at this address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingPackage("--dask", "distributed", error) from error
    where = {"address": address} if "://" in address else {"scheduler_file": address}
    if "scheduler_file" in where and not Path(address).is_file():
        raise InvalidInput(f"--dask {address} is neither an address such as tcp://host:8786 nor a scheduler file")
    try:
        client = Client(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidInput(f"no Dask scheduler answers at {shown(address)} ({error}); start one") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise InvalidInput(f"the Dask scheduler at {address} has no worker; start workers") from error
        yield client.get_executor(), sum(client.nthreads().values())


@contextmanager
def mpi_executor() -> Iterator[tuple[Executor, int] | None]:
    """Divide the ranks of ``mpiexec -n N …``: rank 0 distributes blocks, the others compute trajectories.

    Yields
    ------
    concurrent.futures.Executor, int; or None
        On rank 0 the executor and the number of workers; on the other ranks None, after all work is done.

    Raises
    ------
    InvalidInput
        mpi4py is not installed, or there is a single rank.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError without an MPI library
        raise MissingPackage("--mpi", "mpi4py mpich", error) from error
    workers = MPI.COMM_WORLD.Get_size() - 1
    if workers < 1:
        raise InvalidInput("--mpi needs at least two ranks; run mpiexec -n 4 trajectories simulate … --mpi")
    executor: Any
    with MPICommExecutor(MPI.COMM_WORLD, root=0) as executor:
        yield None if executor is None else (executor, workers)
