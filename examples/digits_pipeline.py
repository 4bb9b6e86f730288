"""Digits in a Pipeline: routed validation samples, early stopping, a small grid search."""

import sklearn
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skcnn import ConvNetClassifier


def make_model() -> Pipeline:
    """Return a scaler and a network that stops early on validation samples."""
    net = ConvNetClassifier(
        input_shape=(8, 8),
        filters=(16, 32),
        max_epochs=20,
        early_stopping=True,
        random_state=0,
    )
    net.set_fit_request(X_val=True, y_val=True)
    # the validation samples go through the scaler, too
    return make_pipeline(MinMaxScaler(), net, transform_input=["X_val"])


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, stratify=y, random_state=0)

    model = make_model().fit(X, y, X_val=X_val, y_val=y_val)
    net = model[-1]
    print(f"{net.n_iter_} epochs, best {net.best_epoch_}, {net.n_parameters_:,} parameters")
    print(classification_report(y_test, model.predict(X_test), digits=3))

    search = GridSearchCV(
        make_model(),
        {"convnetclassifier__hidden_units": [(), (64,), (128,)]},
        cv=2,
    )
    search.fit(X, y, X_val=X_val, y_val=y_val)
    print(f"best of the search: {search.best_params_}")
    print(f"test accuracy: {search.score(X_test, y_test):.4f}")


if __name__ == "__main__":
    with sklearn.config_context(enable_metadata_routing=True):
        main()
