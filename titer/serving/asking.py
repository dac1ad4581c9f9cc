"""The steps that all endpoints with an answer share."""

import asyncio
from dataclasses import replace

from titer import files
from titer.serving.answering import Answer, Finished, Wish
from titer.serving.audit import Entry
from titer.serving.gateway import Gateway
from titer.serving.keeping import Draft, Wanted
from titer.serving.keys import ALL, Key
from titer.serving.people import assigned
from titer.serving.refusals import Refusal, no_model


def own_domain(gateway: Gateway, key: Key, wanted: str | None) -> str:
    """The domain of a request that may leave it out.

    Raises:
        Refusal: 422, the key opens several or none, so one must be named.
    """
    if wanted is not None:
        return wanted
    known = sorted(gateway.catalogue.domains if ALL in key.domains else key.domains)
    if len(known) == 1:
        return known[0]
    text = f"this key opens {', '.join(known) or 'no domain'}; name one in the field domain"
    raise Refusal(422, "domain_needed", text)


async def begin(gateway: Gateway, key: Key, entry: Entry, name: str, wish: Wish) -> Answer:
    """Ask the model of a name; what is known is noted for the audit log.

    Raises:
        Refusal: the name is not the key's, the messages are no conversation, or no answer begins.
    """
    entry.prompt_sha256 = files.sha256_text(files.dump_json(list(wish.messages)))
    offer, domain = gateway.catalogue.named(key, name)
    entry.domain = domain
    if wish.messages[-1]["role"] != "user":
        raise Refusal(422, "invalid_request", "messages: the last must be the user's")
    if len(wish.messages) > gateway.limits.n_messages:
        text = f"messages: {len(wish.messages)}, at most {gateway.limits.n_messages} are taken"
        raise Refusal(422, "invalid_request", text)
    answer = await gateway.answers.begin(offer, domain, wish)
    entry.version = answer.chosen.offer.servable.name
    entry.fallback = answer.chosen.fallback
    return answer


async def agreed(
    gateway: Gateway, key: Key, name: str, wish: Wish, wanted: Wanted | None
) -> Draft | None:
    """What to keep of a conversation to which its person agreed; null without consent.

    Args:
        gateway: that is asked.
        key: of the client.
        name: of the model.
        wish: of the client.
        wanted: null without consent; its domain counts where the model has none.

    Raises:
        Refusal: it is not the key's, cannot be continued so, or nobody knows its domain.
    """
    began = asyncio.get_running_loop().time()
    if wanted is None:
        return None
    _, of_model = gateway.catalogue.named(key, name)
    domain = of_model or own_domain(gateway, key, wanted.domain)
    if domain not in gateway.catalogue.domains or not key.opens(domain):
        raise no_model()
    return await gateway.keeping.begin(
        key, replace(wanted, domain=domain), wish.messages, began=began
    )


def served_name(gateway: Gateway, key: Key, name: str, user: str | None) -> str:
    """The name that answers for a name: during an experiment the version of the person's arm."""
    return assigned(gateway.catalogue, gateway.experiments, key, name, user)


def note(entry: Entry, finished: Finished) -> None:
    """Take the counts into the audit log."""
    entry.n_prompt_tokens = finished.n_prompt_tokens
    entry.n_new_tokens = finished.n_new_tokens


async def whole(answer: Answer, entry: Entry) -> Finished:
    """The answer at once.

    Raises:
        Refusal: the engine ended in mid-answer, or the time is over.
    """
    async with answer:
        finished = await answer.whole()
    note(entry, finished)
    return finished
