"""One dataset, from its source to a champion."""

from prefect import flow

from tasks.answer import waiting_promotion, with_answer
from tasks.dataset_settings import with_entry_settings
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.maintenance.run_start import begin_run
from tasks.notices.hook import END_HOOKS
from tasks.pages.progress import show_stages
from tasks.promote import promote
from tasks.promotion.decision_states import decided
from tasks.promotion.evidence import check_promotion
from tasks.register import register
from tasks.run_form import (
    DatasetName,
    HiddenSettings,
    HiddenText,
    MainSettings,
    chosen_settings,
)
from tasks.run_names import name_with_reason
from tasks.run_states import in_one_sentence
from tasks.store.artifacts import Promotion
from tasks.tokenize import tokenize
from tasks.train import train

show_stages(ingest, tokenize, train, evaluate, register, promote)


@flow(flow_run_name=name_with_reason, **END_HOOKS)
@in_one_sentence
def retrain(
    dataset: DatasetName,
    settings: HiddenSettings = {},  # noqa: B006  (never changed; None would be recorded as null)
    catalog: HiddenText = "",
    main_settings: MainSettings = {},  # noqa: B006
    advanced: str = "",
    snapshot: str = "",
    accept: bool = False,
) -> Promotion:
    """Take one dataset from its source to a champion.

    Args:
        dataset: Entry of the catalog to retrain.
        settings: Settings by stage, from prefect.yaml; the form leaves them out.
        catalog: Catalog files to read in addition to data/catalog.yaml, separated by colons.
        main_settings: What is empty keeps the value of the catalog entry, else the default.
        advanced: Any other settings, as --set takes them, with spaces between them, for example
            training.num_layers=2 tokens.min_frequency=3; refrain run DATASET --settings lists all.
        snapshot: First digits of an earlier snapshot to train on. Empty - the source is read.
        accept: Train although the source changed by more than the limits of the catalog entry.
    """
    chosen = chosen_settings(settings, main_settings, advanced)
    begin_run()
    if waiting := waiting_promotion(dataset):  # this flow run asked a person, and was suspended
        return decided(with_answer(waiting))
    chosen = with_entry_settings(dataset, chosen, catalog)
    rows = ingest(dataset, catalog, snapshot, accept)
    tokens = tokenize(rows, chosen.tokens, catalog)
    check_promotion(tokens, chosen.promotion)  # before the training, which a mistake would waste
    checkpoint = train(tokens, chosen.training)
    scores = evaluate(checkpoint, tokens, chosen.evaluation, catalog)
    challenger = register(checkpoint, tokens, scores, catalog)
    return decided(with_answer(promote(challenger, scores, tokens, chosen.promotion)))
