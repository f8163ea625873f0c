from .fields import compare_columns as compare_columns
from .fields import plot_fields as plot_fields
from .learning import plot_history as plot_history
from .lines import Panel as Panel
from .lines import plot_lines as plot_lines
from .style import new_figure as new_figure
from .table import Table as Table
