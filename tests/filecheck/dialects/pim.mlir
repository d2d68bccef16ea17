// Structured ops, commands and attributes of `pim` print as they parse.

// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | xdsl-opt | filecheck %s

// CHECK:      func.func @structured(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf32>, %k: !host.buffer<4x32xf16>, %s: !host.buffer<4x4x64xf32, softmax>, %p: !host.buffer<4x4x64xf16, softmax>, %layer: index, %past: index, %slot: index, %rows: index) {
// CHECK-NEXT:   pim.gemv %x, @attn_q[%layer] -> %y rows %rows {source = "attn_q"} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>
// CHECK-NEXT:   pim.gemv %x, @head -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>
// CHECK-NEXT:   pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
// CHECK-NEXT:   pim.scores %x, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x4x64xf32, softmax>
// CHECK-NEXT:   pim.softmax_rows %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x64xf32, softmax> -> !host.buffer<4x4x64xf16, softmax>
// CHECK-NEXT:   pim.context %p, @values[%layer] at %past slot %slot -> %y rows %rows : !host.buffer<4x4x64xf16, softmax> -> !host.buffer<4x64xf32>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @structured(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf32>, %k: !host.buffer<4x32xf16>, %s: !host.buffer<4x4x64xf32, softmax>, %p: !host.buffer<4x4x64xf16, softmax>, %layer: index, %past: index, %slot: index, %rows: index) {
  pim.gemv %x, @attn_q[%layer] -> %y rows %rows {source = "attn_q"} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>
  pim.gemv %x, @head -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>
  pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
  pim.scores %x, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x4x64xf32, softmax>
  pim.softmax_rows %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x64xf32, softmax> -> !host.buffer<4x4x64xf16, softmax>
  pim.context %p, @values[%layer] at %past slot %slot -> %y rows %rows : !host.buffer<4x4x64xf16, softmax> -> !host.buffer<4x64xf32>
  func.return
}

// CHECK:      func.func @instructions(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf32>, %row: index, %n: index) {
// CHECK-NEXT:   %w = host.address_of @attn_q
// CHECK-NEXT:   pim.write_buffer(space = local, src = %x + 128 * %n, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) {source = "attn_q"} : !host.buffer<4x64xf16>, index
// CHECK-NEXT:   pim.copy_row(bank = 0, row = %w, column = 0, columns = 4, buffer_column = 0, channel = %n, channels = 1) : index, index
// CHECK-NEXT:   pim.activate(row = %w + %row, channel = 0, channels = 2) : index, index
// CHECK-NEXT:   pim.mac(column = 4 * %n, columns = 4, buffer_column = 0, channel = 0, channels = 2) : index
// CHECK-NEXT:   pim.read_acc(space = local, dst = %y + 256 * %n, channel_stride = 16, banks = 4, accumulate = %n, channel = 0, channels = 2) : !host.buffer<4x64xf32>, index
// CHECK-NEXT:   pim.precharge(channel = 0, channels = 2)
// CHECK-NEXT:   pim.write(src = %x, channel = 1, bank = 3, row = %row, offset = 64, bytes = 32) : !host.buffer<4x64xf16>, index
// CHECK-NEXT:   pim.read(dst = %x, channel = 1, bank = 3, row = %row, offset = 64, bytes = 32) : !host.buffer<4x64xf16>, index
// CHECK-NEXT:   pim.scatter(src = %x, channel = 1, row = %row, offset = 2 * %n, banks = 4) : !host.buffer<4x64xf16>, index, index
// CHECK-NEXT:   pim.softmax(src = 0, src_stride = 256, dst = 1024, dst_stride = 128, rows = 4, cols = 16 * %n, limit = 1 + %n, scale = 0.25) : index
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

func.func @instructions(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf32>, %row: index, %n: index) {
  %w = host.address_of @attn_q
  pim.write_buffer(space = local, src = %x + 128 * %n, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) {source = "attn_q"} : !host.buffer<4x64xf16>, index
  pim.copy_row(bank = 0, row = %w, column = 0, columns = 4, buffer_column = 0, channel = %n, channels = 1) : index, index
  pim.activate(row = %w + %row, channel = 0, channels = 2) : index, index
  pim.mac(column = 4 * %n, columns = 4, buffer_column = 0, channel = 0, channels = 2) : index
  pim.read_acc(space = local, dst = %y + 256 * %n, channel_stride = 16, banks = 4, accumulate = %n, channel = 0, channels = 2) : !host.buffer<4x64xf32>, index
  pim.precharge(channel = 0, channels = 2)
  pim.write(src = %x, channel = 1, bank = 3, row = %row, offset = 64, bytes = 32) : !host.buffer<4x64xf16>, index
  pim.read(dst = %x, channel = 1, bank = 3, row = %row, offset = 64, bytes = 32) : !host.buffer<4x64xf16>, index
  pim.scatter(src = %x, channel = 1, row = %row, offset = 2 * %n, banks = 4) : !host.buffer<4x64xf16>, index, index
  pim.softmax(src = 0, src_stride = 256, dst = 1024, dst_stride = 128, rows = 4, cols = 16 * %n, limit = 1 + %n, scale = 0.25) : index
  func.return
}

// CHECK:      "test.op"() {layouts = [#pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [1, 1], rows_per_layer = 2>, #pim.keys<slots = 1, channels = 32, groups = 1, rows_per_token = 1, heads_per_row = 8, head_dim = 16>, #pim.values<slots = 1, channels = 32, groups = 8, groups_per_head = 4, rows_per_sequence = 2, row_elements = 128, head_dim = 16>, #pim.staging<rows = 1>, #pim.fields<row = [7, 0, 1], channel = [0]>]} : () -> ()

"test.op"() {layouts = [#pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [1, 1], rows_per_layer = 2>, #pim.keys<slots = 1, channels = 32, groups = 1, rows_per_token = 1, heads_per_row = 8, head_dim = 16>, #pim.values<slots = 1, channels = 32, groups = 8, groups_per_head = 4, rows_per_sequence = 2, row_elements = 128, head_dim = 16>, #pim.staging<rows = 1>, #pim.fields<row = [7, 0, 1], channel = [0]>]} : () -> ()
