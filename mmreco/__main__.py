"""The command by the interpreter's own name: `python -m mmreco`."""

from mmreco.cli import app

__all__: list[str] = []

if __name__ == "__main__":
    app(prog_name="mmreco")
