"""One budget for many audits: `Purse`, which every live call of every audit goes through."""

from collections.abc import Iterator, Mapping

from butfor.cache.provider import Budget, Metered, Provider, Routed, Spent
from butfor.counterfactual.audit import Parts
from butfor.counterfactual.settings import Settings
from butfor.replay.cast import OWN


class Purse(Mapping[str, Provider]):
    """Who answers for any `provider:model`, within one budget; each audit still counts what it spent of it."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self._timeout = settings.timeout
        self._metered = Metered(Routed(self._connect), settings.budget, prices=settings.prices)

    def __getitem__(self, model: str) -> Provider:
        """Who answers for a model: always the one metered chain."""
        if model.startswith(OWN):
            raise KeyError(model)
        return self._metered

    def __iter__(self) -> Iterator[str]:
        """The models that were brought as objects."""
        return iter(self._providers)

    def __len__(self) -> int:
        """How many models were brought as objects."""
        return len(self._providers)

    @property
    def spent(self) -> Spent:
        """What all audits together have spent."""
        return self._metered.spent

    def _connect(self, model: str) -> Provider:
        if model in self._providers:
            return self._providers[model]
        from butfor.cache.connect import connect

        return connect(model, timeout=self._timeout)


def sharing(settings: Settings, parts: Parts) -> tuple[Purse, Settings, Parts]:
    """The purse, and the settings and parts of each single audit, whose own budget has no limit."""
    purse = Purse(settings, parts.providers)
    return purse, settings.model_copy(update={"budget": Budget()}), parts._replace(providers=purse)
