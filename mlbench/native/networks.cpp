// Networks of a few units that run once for every weight of a base-learner, with their derivatives.
//
// A processor's library multiplies matrices of 20 by 20 at a fraction of its speed, and writes every
// layer's values to memory and reads them again. Here LANES weights go through a whole network
// together: values of one unit lie side by side, so that any width is computed at full vector
// length, and a panel of them never leaves the cache. Backward, the values are made again.
//
// Matrices are row by row. What is summed over weights is kept per lane until the end, so that
// results depend on the number of rows alone.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#else
constexpr int BYTES = 32;
#endif

constexpr int LANES = 128;  // of a panel

template <typename T>
using Vector __attribute__((vector_size(BYTES))) = T;

template <typename T>
constexpr int WIDTH = BYTES / sizeof(T);

template <typename T>
Vector<T> load(const T *from) {
  Vector<T> value;
  std::memcpy(&value, from, BYTES);
  return value;
}

template <typename T, typename Values>
void store(T *to, const Values &value) {
  std::memcpy(to, &value, BYTES);
}

// Panels: unit by unit, LANES values each.

// How a product goes on: what is done to a value before it is written.
struct AsItIs {
  template <typename Values>
  Values operator()(Values value, long) const { return value; }
};

struct Relu {
  template <typename Values>
  Values operator()(Values value, long) const { return value < 0 ? Values{} : value; }
};

template <typename T>
struct WhereNotCut {
  const T *panel;
  Vector<T> operator()(Vector<T> value, long place) const {
    return load(panel + place) <= 0 ? Vector<T>{} : value;
  }
};

template <typename T, int ROWS, typename Finish>
void product_of_rows(const T *matrix, long row, long column, int inputs, const T *bias,
                     const T *panel, T *out, long first, const Finish &finish) {
  for (int lane = 0; lane < LANES; lane += 2 * WIDTH<T>) {
    Vector<T> sum[ROWS][2];
    for (int j = 0; j < ROWS; ++j) sum[j][0] = sum[j][1] = Vector<T>{} + (bias ? bias[j] : T(0));
    for (int k = 0; k < inputs; ++k) {
      const Vector<T> left = load(panel + k * LANES + lane);
      const Vector<T> right = load(panel + k * LANES + lane + WIDTH<T>);
      for (int j = 0; j < ROWS; ++j) {
        const T weight = matrix[j * row + k * column];
        sum[j][0] += weight * left;
        sum[j][1] += weight * right;
      }
    }
    for (int j = 0; j < ROWS; ++j)
      for (int half = 0; half < 2; ++half) {
        const long place = (first + j) * LANES + lane + half * WIDTH<T>;
        store(out + place, finish(sum[j][half], place));
      }
  }
}

// out = finish(matrix · panel + bias), the matrix's entry (j, k) at j·row + k·column.
template <typename T, typename Finish>
void product(const T *matrix, long row, long column, int outputs, int inputs, const T *bias,
             const T *panel, T *out, const Finish &finish) {
  const auto some = [&](auto rows, int first) {
    product_of_rows<T, decltype(rows)::value>(matrix + first * row, row, column, inputs,
                                              bias ? bias + first : nullptr, panel, out, first,
                                              finish);
  };
  int j = 0;
  for (; j + 5 <= outputs; j += 5) some(std::integral_constant<int, 5>{}, j);
  for (; j + 2 <= outputs; j += 2) some(std::integral_constant<int, 2>{}, j);
  for (; j < outputs; ++j) some(std::integral_constant<int, 1>{}, j);
}

template <typename T, int ROWS, int COLUMNS>
void sums_of_block(const T *left, const T *right, T *sums, int columns) {
  Vector<T> sum[ROWS][COLUMNS];
  for (int j = 0; j < ROWS; ++j)
    for (int k = 0; k < COLUMNS; ++k) sum[j][k] = load(sums + (j * columns + k) * WIDTH<T>);
  for (int lane = 0; lane < LANES; lane += WIDTH<T>) {
    Vector<T> other[COLUMNS];
    for (int k = 0; k < COLUMNS; ++k) other[k] = load(right + k * LANES + lane);
    for (int j = 0; j < ROWS; ++j) {
      const Vector<T> one = load(left + j * LANES + lane);
      for (int k = 0; k < COLUMNS; ++k) sum[j][k] += one * other[k];
    }
  }
  for (int j = 0; j < ROWS; ++j)
    for (int k = 0; k < COLUMNS; ++k) store(sums + (j * columns + k) * WIDTH<T>, sum[j][k]);
}

template <typename T, int ROWS>
void sums_of_rows(const T *left, const T *right, int columns, T *sums) {
  int k = 0;
  for (; k + 2 <= columns; k += 2)
    sums_of_block<T, ROWS, 2>(left, right + k * LANES, sums + k * WIDTH<T>, columns);
  if (k < columns) sums_of_block<T, ROWS, 1>(left, right + k * LANES, sums + k * WIDTH<T>, columns);
}

// sums += left · rightᵀ, lane by lane.
template <typename T>
void add_outer(const T *left, int rows, const T *right, int columns, T *sums) {
  int j = 0;
  for (; j + 5 <= rows; j += 5)
    sums_of_rows<T, 5>(left + j * LANES, right, columns, sums + j * columns * WIDTH<T>);
  for (; j < rows; ++j)
    sums_of_rows<T, 1>(left + j * LANES, right, columns, sums + j * columns * WIDTH<T>);
}

template <typename T>
void add_lanes(const T *panel, int rows, T *sums) {
  for (int j = 0; j < rows; ++j, sums += WIDTH<T>) {
    Vector<T> sum = load(sums);
    for (int lane = 0; lane < LANES; lane += WIDTH<T>) sum += load(panel + j * LANES + lane);
    store(sums, sum);
  }
}

template <typename T>
void write_totals(const std::vector<T> &sums, T *out) {
  for (const T *sum = sums.data(), *end = sum + sums.size(); sum < end; sum += WIDTH<T>)
    *out++ = std::accumulate(sum, sum + WIDTH<T>, T(0));
}

// From `count` rows of a matrix to a panel; lanes beyond them are zero.
template <typename T>
void take(const T *matrix, int columns, int count, T *panel) {
  if (count < LANES) std::fill_n(panel, long(columns) * LANES, T(0));
  for (int lane = 0; lane < count; ++lane)
    for (int k = 0; k < columns; ++k) panel[k * LANES + lane] = matrix[long(lane) * columns + k];
}

template <typename T>
void give(const T *panel, int columns, int count, T *matrix) {
  for (int lane = 0; lane < count; ++lane)
    for (int k = 0; k < columns; ++k) matrix[long(lane) * columns + k] = panel[k * LANES + lane];
}

// Elementary functions without branches, so that they are computed by vectors. The bits of x + MAGIC
// end in x rounded to an integer; series are Taylor's on ±ln 2 / 2, to the last bit but one.

constexpr long FACTORIALS[] = {1,    1,     2,      6,       24,       120,       720,
                               5040, 40320, 362880, 3628800, 39916800, 479001600, 6227020800};

template <typename T>
struct Number;

template <>
struct Number<float> {
  using Bits = std::uint32_t;
  static constexpr float MAGIC = 12582912.0f, LN2_HIGH = 0.693145751953125f;
  static constexpr float LN2_LOW = 1.42860682030941723212e-6f, LARGEST = 87.0f;
  static constexpr int TERMS = 7, SHIFT = 23;
  static constexpr Bits ONE = 0x3f800000u;
};

template <>
struct Number<double> {
  using Bits = std::uint64_t;
  static constexpr double MAGIC = 6755399441055744.0, LN2_HIGH = 0.69314718036912381649017333984375;
  static constexpr double LN2_LOW = 1.9082149292705877e-10, LARGEST = 708.0;
  static constexpr int TERMS = 13, SHIFT = 52;
  static constexpr Bits ONE = 0x3ff0000000000000u;
};

// eˣ - 1 as scale · rest + (scale - 1), the scale a power of two.
template <typename T>
struct Exponential {
  T scale, rest;
};

template <typename T>
inline Exponential<T> exponential(T x) {
  using N = Number<T>;
  x = x > N::LARGEST ? N::LARGEST : x;
  x = x < -N::LARGEST ? -N::LARGEST : x;
  const T shifted = x * T(1.44269504088896340736) + N::MAGIC;
  const T whole = shifted - N::MAGIC;
  const T r = (x - whole * N::LN2_HIGH) - whole * N::LN2_LOW;
  T series = T(1) / FACTORIALS[N::TERMS];
#pragma GCC unroll 16
  for (int n = N::TERMS - 1; n > 0; --n) series = series * r + T(1) / FACTORIALS[n];
  typename N::Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << N::SHIFT) + N::ONE;
  T scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return {scale, r * series};
}

template <typename T>
inline T sigmoid(T x) {
  const Exponential<T> e = exponential(-x);
  return 1 / (1 + (e.scale * e.rest + e.scale));
}

template <typename T>
inline T hyperbolic_tangent(T x) {
  const Exponential<T> e = exponential(2 * x);
  const T less_one = e.scale * e.rest + (e.scale - 1);
  return less_one / (less_one + 2);
}

// A network of linear layers with ReLU between them; `phi` holds weight, bias, weight, bias, ...

template <typename T>
class FeedForward {
 public:
  FeedForward(const T *phi, const int *widths, int layers)
      : phi(phi), widths(widths), layers(layers), widest(*std::max_element(widths, widths + layers + 1)) {
    long units = 0;
    for (int layer = 0; layer <= layers; ++layer) {
      starts.push_back(units * LANES);
      units += widths[layer];
      if (layer < layers) {
        weights.push_back(count);
        count += long(widths[layer]) * widths[layer + 1] + widths[layer + 1];
      }
    }
    values.resize(units * LANES);
  }

  void forward(const T *x, int rows, T *out) {
    compute(x, rows);
    give(values.data() + starts[layers], widths[layers], rows, out);
  }

  void prepare() {
    sums.assign(count * WIDTH<T>, T(0));
    delta.resize(long(widest) * LANES);
    below.resize(long(widest) * LANES);
  }

  // Adds to the sums of phi's derivative, and writes that of x.
  void backward(const T *x, const T *out_bar, int rows, T *x_bar) {
    compute(x, rows);
    take(out_bar, widths[layers], rows, delta.data());
    for (int layer = layers - 1; layer >= 0; --layer) {
      const int inputs = widths[layer], outputs = widths[layer + 1];
      const T *value = values.data() + starts[layer];
      T *sum = sums.data() + weights[layer] * WIDTH<T>;
      add_outer(delta.data(), outputs, value, inputs, sum);
      add_lanes(delta.data(), outputs, sum + long(inputs) * outputs * WIDTH<T>);
      const auto through = [&](const auto &finish) {
        product<T>(phi + weights[layer], 1, inputs, inputs, outputs, nullptr, delta.data(),
                   below.data(), finish);
      };
      layer > 0 ? through(WhereNotCut<T>{value}) : through(AsItIs{});
      delta.swap(below);
    }
    give(delta.data(), widths[0], rows, x_bar);
  }

  void totals(T *phi_bar) { write_totals(sums, phi_bar); }

  long count = 0;  // of phi's entries

 private:
  void compute(const T *x, int rows) {
    take(x, widths[0], rows, values.data());
    for (int layer = 0; layer < layers; ++layer) {
      const int inputs = widths[layer], outputs = widths[layer + 1];
      const T *weight = phi + weights[layer];
      const auto onwards = [&](const auto &finish) {
        product(weight, inputs, 1, outputs, inputs, weight + long(inputs) * outputs,
                values.data() + starts[layer], values.data() + starts[layer + 1], finish);
      };
      layer + 1 < layers ? onwards(Relu{}) : onwards(AsItIs{});
    }
  }

  const T *phi;
  const int *widths;
  int layers, widest;
  std::vector<long> starts, weights;
  std::vector<T> values, delta, below;
  std::vector<T> sums;
};

template <typename T>
void feed_forward(const T *x, const T *phi, const int *widths, int layers, long rows, T *out) {
  FeedForward<T> network(phi, widths, layers);
  for (long row = 0; row < rows; row += LANES)
    network.forward(x + row * widths[0], int(std::min<long>(LANES, rows - row)),
                    out + row * widths[layers]);
}

template <typename T>
void feed_forward_gradient(const T *x, const T *phi, const int *widths, int layers, long rows,
                           const T *out_bar, T *x_bar, T *phi_bar) {
  FeedForward<T> network(phi, widths, layers);
  network.prepare();
  for (long row = 0; row < rows; row += LANES)
    network.backward(x + row * widths[0], out_bar + row * widths[layers],
                     int(std::min<long>(LANES, rows - row)), x_bar + row * widths[0]);
  network.totals(phi_bar);
}

// One step of an LSTM. Of its 4·units rows, `weight` sees [inputs, hidden]; the order of the gates
// is input, forget, candidate, output, as torch has it.

template <typename T>
struct Cell {
  const T *weight, *bias;
  int inputs, units;
  long columns = inputs + units;
  std::vector<T> seen, cell, gates, tanh, next;

  Cell(const T *weight, const T *bias, int inputs, int units)
      : weight(weight), bias(bias), inputs(inputs), units(units),
        seen(columns * LANES), cell(long(units) * LANES), gates(4L * units * LANES),
        tanh(long(units) * LANES), next(long(units) * LANES) {}

  T *gate(int which) { return gates.data() + long(which) * units * LANES; }

  void compute(const T *x, const T *hidden_before, const T *cell_before, int rows) {
    take(x, inputs, rows, seen.data());
    take(hidden_before, units, rows, seen.data() + long(inputs) * LANES);
    take(cell_before, units, rows, cell.data());
    product(weight, columns, 1, 4 * units, int(columns), bias, seen.data(), gates.data(),
            AsItIs{});
    const long size = long(units) * LANES;
    T *into = gate(0), *keep = gate(1), *candidate = gate(2), *out = gate(3);
    for (long i = 0; i < 2 * size; ++i) into[i] = sigmoid(into[i]);
    for (long i = 0; i < size; ++i) candidate[i] = hyperbolic_tangent(candidate[i]);
    for (long i = 0; i < size; ++i) out[i] = sigmoid(out[i]);
    for (long i = 0; i < size; ++i) next[i] = keep[i] * cell[i] + into[i] * candidate[i];
    for (long i = 0; i < size; ++i) tanh[i] = hyperbolic_tangent(next[i]);
  }
};

template <typename T>
void lstm_cell(const T *x, const T *hidden, const T *cell, const T *weight, const T *bias,
               int inputs, int units, long rows, T *hidden_out, T *cell_out) {
  Cell<T> network(weight, bias, inputs, units);
  std::vector<T> next(long(units) * LANES);
  for (long row = 0; row < rows; row += LANES) {
    const int some = int(std::min<long>(LANES, rows - row));
    network.compute(x + row * inputs, hidden + row * units, cell + row * units, some);
    give(network.next.data(), units, some, cell_out + row * units);
    const T *out = network.gate(3);
    for (long i = 0; i < long(units) * LANES; ++i) next[i] = out[i] * network.tanh[i];
    give(next.data(), units, some, hidden_out + row * units);
  }
}

template <typename T>
void lstm_cell_gradient(const T *x, const T *hidden, const T *cell, const T *weight, const T *bias,
                        int inputs, int units, long rows, const T *hidden_bar, const T *cell_bar,
                        T *x_bar, T *hidden_before_bar, T *cell_before_bar, T *weight_bar,
                        T *bias_bar) {
  Cell<T> network(weight, bias, inputs, units);
  const long size = long(units) * LANES, columns = network.columns;
  std::vector<T> h_bar(size), c_bar(size), delta(4 * size), below(columns * LANES);
  std::vector<T> weight_sums(4L * units * columns * WIDTH<T>), bias_sums(4L * units * WIDTH<T>);
  for (long row = 0; row < rows; row += LANES) {
    const int some = int(std::min<long>(LANES, rows - row));
    network.compute(x + row * inputs, hidden + row * units, cell + row * units, some);
    take(hidden_bar + row * units, units, some, h_bar.data());
    take(cell_bar + row * units, units, some, c_bar.data());
    const T *into = network.gate(0), *keep = network.gate(1), *candidate = network.gate(2);
    const T *out = network.gate(3), *before = network.cell.data(), *tanh = network.tanh.data();
    for (long i = 0; i < size; ++i) {
      const T c = c_bar[i] + h_bar[i] * out[i] * (1 - tanh[i] * tanh[i]);
      delta[i] = c * candidate[i] * into[i] * (1 - into[i]);
      delta[size + i] = c * before[i] * keep[i] * (1 - keep[i]);
      delta[2 * size + i] = c * into[i] * (1 - candidate[i] * candidate[i]);
      delta[3 * size + i] = h_bar[i] * tanh[i] * out[i] * (1 - out[i]);
      c_bar[i] = c * keep[i];
    }
    give(c_bar.data(), units, some, cell_before_bar + row * units);
    add_outer(delta.data(), 4 * units, network.seen.data(), int(columns), weight_sums.data());
    add_lanes(delta.data(), 4 * units, bias_sums.data());
    product<T>(weight, 1, columns, int(columns), 4 * units, nullptr, delta.data(), below.data(),
               AsItIs{});
    give(below.data(), inputs, some, x_bar + row * inputs);
    give(below.data() + long(inputs) * LANES, units, some, hidden_before_bar + row * units);
  }
  write_totals(weight_sums, weight_bar);
  write_totals(bias_sums, bias_bar);
}

}  // namespace

// What Python calls. Tensors lie one after another, a stack of each, and nothing is shared between
// the members of a stack; a portion is some rows of one member, and has sums of its own.

template <typename T>
struct Tensors {
  T *const *starts;
  const long *sizes;  // of a member, of a row, or of a portion's sums
};

template <typename T, typename Network>
void compute_portions(Tensors<const T> rows, int row_count, Tensors<const T> shared,
                      int shared_count, Tensors<T> out, int out_count, Tensors<T> sums,
                      int sum_count, long count, long portion, long first, long last,
                      const Network &network) {
  const long portions = (count + portion - 1) / portion;
  for (long job = first; job < last; ++job) {
    const long member = job / portions, start = job % portions * portion;
    const T *row[5], *common[2];
    T *written[3], *summed[2];
    const long row_place = member * count + start;
    for (int i = 0; i < row_count; ++i) row[i] = rows.starts[i] + row_place * rows.sizes[i];
    for (int i = 0; i < shared_count; ++i) common[i] = shared.starts[i] + member * shared.sizes[i];
    for (int i = 0; i < out_count; ++i) written[i] = out.starts[i] + row_place * out.sizes[i];
    for (int i = 0; i < sum_count; ++i) summed[i] = sums.starts[i] + job * sums.sizes[i];
    network(row, common, std::min(portion, count - start), written, summed);
  }
}

#define EXPORTED(NAME, TYPE, SUFFIX, ROWS, SHARED, OUT, SUMS, ...)                               \
  extern "C" void NAME##_##SUFFIX(                                                               \
      const TYPE *const *row_starts, const long *row_sizes, const TYPE *const *shared_starts,    \
      const long *shared_sizes, TYPE *const *out_starts, const long *out_sizes,                  \
      TYPE *const *sum_starts, const long *sum_sizes, const int *sizes, int layers, long count,  \
      long portion, long first, long last) {                                                     \
    compute_portions<TYPE>(                                                                      \
        {row_starts, row_sizes}, ROWS, {shared_starts, shared_sizes}, SHARED,                    \
        {out_starts, out_sizes}, OUT, {sum_starts, sum_sizes}, SUMS, count, portion, first,      \
        last,                                                                                    \
        [&](const TYPE *const *rows, const TYPE *const *shared, long count, TYPE *const *out,    \
            TYPE *const *sums) {                                                                 \
          NAME<TYPE>(__VA_ARGS__);                                                               \
          (void)sums, (void)layers;                                                              \
        });                                                                                      \
  }
#define EXPORTED_TYPES(NAME, ...)             \
  EXPORTED(NAME, float, float32, __VA_ARGS__) \
  EXPORTED(NAME, double, float64, __VA_ARGS__)

EXPORTED_TYPES(feed_forward, 1, 1, 1, 0, rows[0], shared[0], sizes, layers, count, out[0])
EXPORTED_TYPES(feed_forward_gradient, 2, 1, 1, 1, rows[0], shared[0], sizes, layers, count,
               rows[1], out[0], sums[0])
EXPORTED_TYPES(lstm_cell, 3, 2, 2, 0, rows[0], rows[1], rows[2], shared[0], shared[1], sizes[0],
               sizes[1], count, out[0], out[1])
EXPORTED_TYPES(lstm_cell_gradient, 5, 2, 3, 2, rows[0], rows[1], rows[2], shared[0], shared[1],
               sizes[0], sizes[1], count, rows[3], rows[4], out[0], out[1], out[2], sums[0],
               sums[1])
