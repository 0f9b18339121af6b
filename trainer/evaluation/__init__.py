"""What a run is worth: predictions on records that it was not trained on, and numbers from them.

`trainer.evaluation.evaluate.evaluate` predicts every record of a split once, keeps the table as
`predictions-<split>.parquet` in the run's folder, and computes all else from that table with
NumPy and scikit-learn into `evaluation.json`. Only `trainer.evaluation.predict` loads TensorFlow.

The table has one row a record, in the order of the split's shards:

    image_id, group: string        variant, copies: int32        label: int32 (by the expert)
    logits, probabilities: fixed_size_list<float32>[labels]

Its schema's metadata names the weights and the dataset that it came from; it is computed again
where either is another one.

`evaluation.json`, format 1 (T | null: null where the number is undefined, never NaN):

    {
      "format": 1,
      "arch": str, "title": str, "reconstruction": bool, "width": float, "parameters": int,
      "labels": [str], "crystal_labels": [str],       in the order of the label indices
      "trained_on": D, "evaluated_on": D,             equal digests: the run's own dataset
      "drawn": bool,                                  any plate of either dataset was drawn
      "best_epoch": int, "epochs": int,               epochs that were trained; best one from 1
      "recipe": str, "training_seconds": float | null, "device": str,
      "weights": str,                                 SHA-256 of the file of the weights
      "bootstrap": {"resamples": int, "seed": int, "level": 0.95, "unit": "group"},
      "splits": {"validation": S, "test": S}
    }

    D = {"name": str, "version": str, "digest": str, "origins": {origin: images}}

    S = {
      "records": int, "images": int, "groups": int,
      "images_per_label": [int],
      "views": {
        "balanced": V,           every record counts once: the paper's way
        "natural": V,            every image counts once: its records share its weight
        "per_image": V,          as natural, but an image's records are one prediction: the mean
                                 of their probabilities. It flatters rare labels: balance gave
                                 them more variants to average
        "per_group": V | null    as per_image, but every group counts once: its images share its
      },                         weight; null where every group is one image
      "calibration": C,          of single records, each counting once
      "calibration_natural": C,  of single records, each image counting once: what
                                 `predict` meets at the split's own prevalence. The temperature
                                 is that of `calibration`; what it cannot mend is the shift from
                                 balanced training to few crystals
      "crystal": {
        "natural": P,            of single records, each image counting once: one view of each
        "per_image": P,          of the mean over an image's records; it flatters as above
        "per_group": P | null    of groups, from the means over images
      } | null                   null where the split has no crystals, or nothing but crystals
    }

    V = {
      "weight": float,                    sum of the weights: records, images or groups
      "top": [I, I, I],                   share whose true label is among the 1, 2, 3 likeliest
      "per_label": [I | null],            share of the label's own that are given it (recall)
      "macro_recall": I,                  mean of per_label over the labels that are there
      "confusion": [[float | null]],      rows predicted, columns true; percent of the column,
                                          null where no record has the label
      "confusion_counts": [[float]],      the same as sums of weights
      "auc": [I | null],                  ROC AUC of each label against the others
      "missed_crystals": [M, M, M]        for the 1, 2, 3 likeliest labels
    }

    M = {"missed": I | null,              share of crystals none of whose n likeliest labels is a
                                          crystal label
         "false_alarms": I | null,        share of the others any of whose n likeliest is one
         "random_missed": float, "random_false_alarms": float}      of labels in random order

    I = {"value": float, "low": float | null, "high": float | null}
                                          95 % percentile bootstrap over groups; low and high are
                                          null where fewer than two groups have a say

    P = {                                 score: the temperature applied to the logits, softmax,
                                          mean over records if any, sum over crystal labels. A
                                          group has crystals if any of its images has; its score
                                          is the highest of its images'. Natural prevalence
      "prevalence": float,                share with crystals
      "crystals": int,                    how many have them
      "roc": {"fpr": [float], "tpr": [float], "auc": I},
      "pr": {"recall": [float], "precision": [float], "average_precision": I},
      "workload": [{                      for recalls of 0.95, 0.99, 0.999, in this order
        "recall": float,                  wanted
        "threshold": float | null,        look at scores of this or more: the highest that has the
                                          wanted recall on validation; null without a validation
                                          split with crystals; then all below is null too
        "chosen_on": int | null,          crystals in validation: 0.999 of 50 means all of them
        "achieved_recall": I | null,      in this split; in validation itself it is optimistic
        "images_per_1000": I | null,      to look at, of 1,000 (of 1,000 groups in per_group)
        "prevalence": float               as above
      }]
    }                                     curves are thinned to 400 points at most, both by
                                          ascending fpr and recall

    C = {
      "temperature": float | null,        the logits' divisor; minimises the mean negative
                                          log-likelihood of validation; null without validation
      "ece": float,                       expected calibration error, 15 bins of equal width (Guo
                                          et al. 2017), of the likeliest label; 0 to 1
      "ece_after": float | null,          with the temperature
      "bins": [{"confidence": float, "accuracy": float, "count": float}],      bins that are not
      "bins_after": [same] | null                                              empty, ascending
    }
"""

EVALUATION_FORMAT = 1
