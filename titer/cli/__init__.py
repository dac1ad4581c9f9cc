"""The command `titer`: one file per noun, each with `add(commands)` and a function per verb."""
