"""`titer ab new|list|show|stop`: two versions side by side among the people who ask."""

import argparse
from typing import TYPE_CHECKING, Any

from titer.cli import conversations

if TYPE_CHECKING:
    from titer.serving.experiments import Experiment
    from titer.serving.satisfaction import Look, State


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "ab",
        help="serve two versions side by side and compare how content people are",
        description="Serve two versions of one domain side by side, each person always the same "
        "one, and compare satisfaction at two looks that are fixed beforehand. Example: titer ab "
        "new november autoimmune-qlora@v1.0.0 autoimmune-qlora@v1.1.0",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    _add_new(verbs)
    for name, function, text in (
        ("list", list_all, "all experiments"),
        ("show", show, "what the plan of an experiment allows to be known now"),
        ("stop", stop, "end an experiment: the active version serves everybody again"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text}.")
        verb.set_defaults(run=function)
        if name != "list":
            verb.add_argument("name", help="as `titer ab list` gives it")


def _add_new(verbs: Any) -> None:
    text = "write the plan of an experiment, which is not changed afterwards"
    verb = verbs.add_parser("new", help=text, description=f"{text}.")
    verb.add_argument("name", help="letters, digits, '.', '_' or '-'")
    verb.add_argument("a", metavar="A", help="the present version, autoimmune-qlora@v1.0.0")
    verb.add_argument("b", metavar="B", help="the new one")
    verb.add_argument(
        "--share", type=int, default=50, help="of 100 people served B; default: %(default)s"
    )
    verb.add_argument(
        "--min-users", type=int, default=100, metavar="N",
        help="people with a rating at the first look, default: %(default)s",
    )  # fmt: skip
    verb.add_argument(
        "--max-users", type=int, default=400, metavar="N",
        help="at the last look, default: %(default)s",
    )  # fmt: skip
    verb.add_argument(
        "--margin", type=float, default=0.05,
        help="differences of satisfaction below it count as none, default: %(default)s",
    )  # fmt: skip
    verb.add_argument(
        "--alpha", type=float, default=0.05, help="error rate of both looks, default: %(default)s"
    )
    verb.set_defaults(run=new)


def new(arguments: argparse.Namespace) -> None:
    """Write a plan.

    Raises:
        TiterError: no such version, a value out of range, or a name or a domain that is taken.
    """
    from titer import runner
    from titer.registry import tags
    from titer.registry.names import parse
    from titer.serving import experiments

    domains = runner.groups()["domain"]
    for text in (arguments.a, arguments.b):
        name, number = parse(text, domains)
        if number is not None:
            tags.read(runner.ROOT, name).get(number)
    made = experiments.plan(
        runner.ROOT, domains, name=arguments.name, a=arguments.a, b=arguments.b,
        share_b=arguments.share, min_users=arguments.min_users, max_users=arguments.max_users,
        margin=arguments.margin, alpha=arguments.alpha, started_at=conversations.now(),
    )  # fmt: skip
    target = experiments.path(runner.ROOT, made.name).relative_to(runner.ROOT)
    print(f"{target}: the plan; commit it before the first rating")
    print("start titer serve again, and people with consent can rate what they are served")


def list_all(arguments: argparse.Namespace) -> None:
    """Print one line per experiment."""
    from titer import runner
    from titer.serving import experiments

    found = experiments.read_all(runner.ROOT)
    for one in found:
        state = "running" if one.is_running else f"ended {one.ended_at}"
        print(f"{one.name}  {one.a}  {one.b}  since {one.started_at}  {state}")
    if not found:
        print("no experiment yet. See: titer ab new --help")


def show(arguments: argparse.Namespace) -> None:
    """Print counts, and the comparison at each look that was due.

    Raises:
        TiterError: no such experiment, or the store cannot be read.
    """
    from tqdm.auto import tqdm

    from titer import runner
    from titer.serving import experiments, satisfaction

    plan = experiments.read(runner.ROOT, arguments.name)
    if conversations.has_store():
        with conversations.opened_store() as store:
            total = store.count(plan.domain)
            rows = tqdm(store.newest_first(plan.domain), "conversations", total, delay=5)
            found = satisfaction.state(plan, rows)
    else:
        found = satisfaction.state(plan, [])
    _print_plan(plan)
    print(f"\n{found.n_users:,} people have rated, {found.n_ratings:,} ratings count")
    for reason, n in found.left_out.items():
        print(f"  left out: {n:,} {reason}")
    for number, look in enumerate(found.looks, 1):
        _print_look(number, look)
    print(f"\n{_verdict(plan, found)}")


def _print_plan(plan: "Experiment") -> None:
    print(f"{plan.name}: since {plan.started_at}, {plan.ended_at or 'running'}")
    print(f"  A {plan.a}, {100 - plan.share_b} of 100 people")
    print(f"  B {plan.b}, {plan.share_b} of 100 people")
    print(
        f"  looks at {plan.min_users:,} and {plan.max_users:,} people who rated, margin "
        f"{plan.margin:g}, error rate of both looks together {plan.alpha:g}"
    )


def _print_look(number: int, look: "Look") -> None:
    print(
        f"\nlook {number}, due {look.at}: {look.n_a:,} people of A and {look.n_b:,} of B, "
        f"{look.n_ratings:,} ratings"
    )
    print(f"  satisfaction A {look.mean_a:.3f}, B {look.mean_b:.3f}")
    difference = look.mean_b - look.mean_a
    print(f"  B - A {difference:+.3f}, interval {look.low:+.3f} to {look.high:+.3f}")
    print(f"  {look.decision}")


def _verdict(plan: "Experiment", found: "State") -> str:
    if found.decision is not None:
        nexts = {"helped": f" titer model activate {plan.b}"}
        after = f"Next: titer ab stop {plan.name}.{nexts.get(found.decision, '')}"
        return f"{found.decision}. {after if plan.is_running else ''}".rstrip()
    due = plan.max_users if found.looks else plan.min_users
    if not plan.is_running:
        return f"inconclusive: ended before {due:,} people had rated"
    return f"no answer yet: nothing is compared until {due:,} people have rated"


def stop(arguments: argparse.Namespace) -> None:
    """End an experiment.

    Raises:
        TiterError: no such experiment, or it has ended.
    """
    from titer import runner
    from titer.serving import experiments

    ended = experiments.stop(runner.ROOT, arguments.name, at=conversations.now())
    print(f"{ended.name}: ended {ended.ended_at}; start titer serve again")
