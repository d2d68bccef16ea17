// Attention with a head in a channel.

// RUN: xdsl-opt %s -p pim-expand | filecheck %s

// Two channels, three heads: a pair, of which the second head needs one channel. The scores of the first; those of the
// second beside the softmax of the first; the context of the first beside the softmax of the second; the second context.
// Results are moved in the window after the one that computes them, out of the other half. Then a token is appended: each
// piece of 16 dimensions of a key or value is a column of a bank of its part.
// CHECK: func.func @attend
// CHECK: scf.for %token = %c0 to %rows step %c1 {
// CHECK: scf.for %pair = %c0 to %c1 step %c1 {
// CHECK: pim.write_vector({{.*}}half = 0{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: scf.for %row = %c0 to %end_row step %c1 {
// CHECK: pim.activate({{.*}}row = %keys + 4 * %layer + 4 * %pair + %row{{.*}}channels = %channels
// CHECK: pim.mac_tree({{.*}}half = 0{{.*}}result_half = 0{{.*}}channels = %channels
// CHECK: pim.precharge(
// CHECK: pim.write_vector({{.*}}half = 1{{.*}}channels = %channels_1
// CHECK: pim.fence(
// CHECK: scf.for %window = %c0 to %{{[0-9]+}} step %c1 {
// CHECK: scf.for %row_1 = %c0 to %{{[0-9]+}} step %c1 {
// CHECK: pim.activate({{.*}}row = %keys + 4 * %layer + 4 * %pair + %first_row + %row_1{{.*}}channels = %channels
// CHECK: pim.mac_tree({{.*}}half = 0{{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels
// CHECK: pim.precharge(
// CHECK: pim.move_scores({{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: pim.move_scores({{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: pim.softmax_head({{.*}}channels = %channels
// CHECK: scf.for %row_2 = %c0 to %end_row_2 step %c1 {
// CHECK: pim.activate({{.*}}row = 2 + %keys + 4 * %layer + 4 * %pair + %row_2{{.*}}channels = %channels_1
// CHECK: pim.mac_tree({{.*}}half = 1{{.*}}result_half = 0{{.*}}channels = %channels_1
// CHECK: pim.precharge(
// CHECK: pim.fence(
// CHECK: scf.for %window_1 = %c0 to %{{[0-9]+}} step %c1 {
// CHECK: scf.for %row_3 = %c0 to %{{[0-9]+}} step %c1 {
// CHECK: pim.activate({{.*}}row = 2 + %keys + 4 * %layer + 4 * %pair + %first_row_1 + %row_3{{.*}}channels = %channels_1
// CHECK: pim.mac_tree({{.*}}half = 1{{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels_1
// CHECK: pim.precharge(
// CHECK: pim.move_scores({{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels_1
// CHECK: pim.move_vector({{.*}}first = %window_1{{.*}}columns = 1{{.*}}half = 0{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: pim.move_scores({{.*}}result_half = %{{[0-9]+}}{{.*}}channels = %channels_1
// CHECK: pim.move_vector({{.*}}first = -1 + %windows{{.*}}columns = 1{{.*}}half = 0{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: pim.softmax_head({{.*}}channels = %channels_1
// CHECK: scf.for %row_4 = %c0 to %end_row_4 step %c1 {
// CHECK: pim.activate({{.*}}row = %values + 4 * %layer + 4 * %pair + %row_4{{.*}}channels = %channels
// CHECK: pim.mac_lanes({{.*}}half = 0{{.*}}result_half = 0{{.*}}channels = %channels
// CHECK: pim.precharge(
// CHECK: pim.fence(
// CHECK: pim.move_vector({{.*}}first = 0{{.*}}columns = %windows{{.*}}half = 1{{.*}}channels = %channels_1
// CHECK: pim.fence(
// CHECK: scf.for %row_5 = %c0 to %end_row_5 step %c1 {
// CHECK: pim.activate({{.*}}row = 2 + %values + 4 * %layer + 4 * %pair + %row_5{{.*}}channels = %channels_1
// CHECK: pim.mac_lanes({{.*}}half = 1{{.*}}result_half = 1{{.*}}channels = %channels_1
// CHECK: pim.precharge(
// CHECK: pim.move_sums({{.*}}elements = 32{{.*}}result_half = 0{{.*}}channels = %channels
// CHECK: pim.fence(
// CHECK: pim.move_sums({{.*}}elements = 32{{.*}}result_half = 1{{.*}}channels = %channels_1
// CHECK: func.func @append
// CHECK: scf.for %token = %c0 to %rows step %c1 {
// CHECK: scf.for %number_of_head = %c0 to %c3 step %c1 {
// CHECK: scf.for %piece = %c0 to %c2 step %c1 {
// CHECK: pim.write({{.*}}src = %k + 192 * %token + 64 * %number_of_head + 32 * %piece{{.*}}bank = 4 * %piece + %part{{.*}}row = %keys + 4 * %layer + 2 * %turn + %row{{.*}}offset = 32 * %column{{.*}}bytes = 32
// CHECK: pim.write({{.*}}src = %v + 192 * %token + 64 * %number_of_head + 32 * %piece{{.*}}bank = 4 * %bank + %part{{.*}}row = %values + 4 * %layer + 2 * %turn + %row_1{{.*}}offset = 32 * %column_1{{.*}}bytes = 32

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>, pim.memory = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [mac_tree], parts = 4>, llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 64>} {
  host.memory @keys : tensor<2x1x3x64x32xf16> layout #pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>
  host.memory @values : tensor<2x1x3x64x32xf16> layout #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>
  func.func @attend(%q: !host.buffer<1x96xf16>, %s: !host.buffer<1x3x64xf32, softmax>, %p: !host.buffer<1x3x64xf16, softmax>, %o: !host.buffer<1x96xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %rows {source = "scores", in_flight = 2 : i64, scale = 2.500000e-01 : f32} : !host.buffer<1x96xf16>, !host.buffer<1x3x64xf32, softmax>, !host.buffer<1x3x64xf16, softmax> -> !host.buffer<1x96xf32>
    func.return
  }
  func.func @append(%k: !host.buffer<1x96xf16>, %v: !host.buffer<1x96xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.kv_append %k, %v, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<1x96xf16>, !host.buffer<1x96xf16>
    func.return
  }
}
