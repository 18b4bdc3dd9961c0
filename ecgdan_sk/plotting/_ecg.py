"""ECGs on paper, as cardiologists read them."""

import numpy as np

from ..records import LEADS
from ._axes import pyplot
from ._page import draw_page, page_for
from ._paper import checked_records, drawable, paper_axes, paper_figure
from ._waves import checked_waves, draw_waves

_MOST_IN_ONE = 200


class ECGDisplay:
    """ECGs on paper: 25 mm/s, 10 mm/mV, squares of 1 and 5 mm, calibration pulse.

    The saved picture has its true size at any resolution, so you can measure it with a
    ruler: a page of ten seconds is 270 mm wide. The baseline of each lead is its
    median. A lead that is missing or all NaN is labelled as absent; a gap (NaN) in a
    lead stays a gap. Nothing is filtered.

    Parameters
    ----------
    X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
        At most 200 ECGs in mV. The `ids` of `ECGRecords` are the headings.
    sampling_rate : float or None, default=None
        Samples per second, in Hz. None takes that of `ECGRecords`.

    Attributes
    ----------
    figure_ : Figure
        The last drawing.
    axes_ : ndarray of Axes of shape (n_samples,)
        One paper for each ECG; positions are in mm from its lower left corner.
    ax_ : Axes
        The first of these axes.

    Raises
    ------
    ValueError
        If `X` has no sample axis, holds more than 200 ECGs or is not in mV, or if its
        sampling rate is unknown.

    See Also
    --------
    AttentionDisplay : The same paper with attention behind the traces.

    Examples
    --------
    >>> from ecgdan_sk.datasets import make_ecg_cohort
    >>> from ecgdan_sk.plotting import ECGDisplay
    >>> cohort = make_ecg_cohort(2, sampling_rate=100, random_state=0)
    >>> display = ECGDisplay.from_signals(cohort.X[:1], sampling_rate=100)
    >>> (display.figure_.get_size_inches() * 25.4).round().tolist()
    [270.0, 150.0]
    """

    def __init__(self, X, sampling_rate=None):
        self.records, self.sampling_rate = checked_records(
            X, sampling_rate, "ECGDisplay"
        )
        if len(self.records) > _MOST_IN_ONE:
            raise ValueError(
                f"One picture holds at most {_MOST_IN_ONE} ECGs, got "
                f"{len(self.records)}. Choose some, or write all to a file of one page "
                "each with ECGDisplay.save_pdf(path, X)."
            )

    @classmethod
    def from_signals(cls, X, *, sampling_rate=None, layout="3x4", waves=None, ax=None):
        """Draw ECGs.

        Parameters
        ----------
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            At most 200 ECGs in mV.
        sampling_rate : float or None, default=None
            Samples per second, in Hz. None takes that of `ECGRecords`.
        layout : {"3x4", "12x1"}, default="3x4"
            See `plot`.
        waves : DataFrame or None, default=None
            See `plot`.
        ax : Axes or None, default=None
            Axes for the drawing, see `plot`.

        Returns
        -------
        ECGDisplay
        """
        return cls(X, sampling_rate).plot(ax, layout=layout, waves=waves)

    @staticmethod
    def save_pdf(path, X, *, sampling_rate=None, layout="3x4"):
        """Write ECGs to a PDF, one per page in true size, reading one at a time.

        Parameters
        ----------
        path : str or path-like
            File to write.
        X : array-like or ECGRecords of shape (n_samples, n_leads, n_times)
            Any number of ECGs in mV; a memmap is read page by page.
        sampling_rate : float or None, default=None
            Samples per second, in Hz. None takes that of `ECGRecords`.
        layout : {"3x4", "12x1"}, default="3x4"
            See `plot`.

        Returns
        -------
        None
        """
        records, rate = checked_records(X, sampling_rate, "ECGDisplay")
        plt = pyplot()
        from matplotlib.backends.backend_pdf import PdfPages

        with plt.ioff(), PdfPages(path) as pdf:
            for i in range(len(records)):
                page = ECGDisplay(records[i : i + 1], rate).plot(layout=layout)
                pdf.savefig(page.figure_)
                plt.close(page.figure_)

    def plot(self, ax=None, *, layout="3x4", waves=None):
        """Draw the ECGs; several are placed in a grid.

        Parameters
        ----------
        ax : Axes or None, default=None
            Axes for a single ECG. It then has the size of the Axes, and its squares
            stay squares. None makes a figure of true size.
        layout : {"3x4", "12x1"}, default="3x4"
            Three rows of four leads, each 2.5 s, and a rhythm strip of lead II; or
            twelve rows. At most ten seconds are shown. If an ECG has less than six
            seconds, each of the four columns shows the first 2.5 s.
        waves : DataFrame or None, default=None
            Waves to draw as bands behind the traces, from
            `ecgdan_sk.measurements.delineate`: P and QRS from onset to offset, T from
            its peak. The column ``ecg`` is the position in `X`.

        Returns
        -------
        ECGDisplay
            Itself.

        Raises
        ------
        ValueError
            If `layout` is unknown, if `ax` is given for several ECGs, or if `waves`
            lacks a column.
        """
        if ax is not None and len(self.records) > 1:
            raise ValueError(
                f"An Axes holds one ECG, got {len(self.records)}. Choose one with "
                "X[[i]], or leave ax None."
            )
        signals = drawable(self.records.select_leads(LEADS).signals)
        page = page_for(signals, self.sampling_rate, layout)
        if ax is None:
            self.axes_ = _axes_of_many(len(signals), *page.size)
        else:
            self.axes_ = np.array([ax])
        ids = self.records.ids
        headings = [""] * len(signals) if ids is None else map(str, ids)
        for i, (place, ecg, heading) in enumerate(zip(self.axes_, signals, headings)):
            strips = draw_page(place, page, ecg, self.sampling_rate, heading)
            if waves is not None:
                own = checked_waves(waves)
                draw_waves(place, strips, own[own["ecg"] == i])
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return self


def _axes_of_many(n, width, height):
    """Axes of true size for several papers, on one figure that is about square."""
    n_columns = max(1, round(np.sqrt(n * height / width)))
    n_rows = -(-n // n_columns)
    figure = paper_figure(n_columns * width, n_rows * height)
    places = [divmod(i, n_columns) for i in range(n)]
    return np.array(
        [
            paper_axes(figure, c * width, (n_rows - 1 - r) * height, width, height)
            for r, c in places
        ]
    )
