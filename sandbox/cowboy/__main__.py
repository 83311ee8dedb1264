"""Make the demo's adapter again; see `sandbox.cowboy.making`."""

from __future__ import annotations

from contracts.settings import share_cores

if __name__ == "__main__":
    share_cores()
    from sandbox.cowboy.making import main  # brings torch along, which must find its threads told already

    main()
