// Ops without a product: a few vector instructions each, on all rows at once.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s

// Vectors from main memory arrive by the queue ld1, so that they do not wait behind weights.
// CHECK:        func.func @vector(%t: !host.buffer<4xi32>, %x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %logits: !host.buffer<4x50xf32>, %first: index, %past: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %gain = host.buffer : !host.buffer<1x32xf16>
// CHECK-NEXT:     %angles = host.buffer : !host.buffer<4x16xf32>
// CHECK-NEXT:     %scaled = host.buffer : !host.buffer<4x32xf32>
// CHECK-NEXT:     %factor = host.buffer : !host.buffer<4xf32>
// CHECK-NEXT:     %gain_1 = host.buffer : !host.buffer<1x32xf16>
// CHECK-NEXT:     %positions = host.buffer : !host.buffer<4x32xf16>
// CHECK-NEXT:     %table = host.address_of @table
// CHECK-NEXT:     npu.gather(dram = %table, dram_stride = 64, rows = %rows, row_bytes = 64, local = %x, local_stride = 64, index = %t) : index, index, !host.buffer<4x32xf16>, !host.buffer<4xi32>
// CHECK-NEXT:     %table_1 = host.address_of @table
// CHECK-NEXT:     npu.load(dram = 128 + %table_1 + 64 * %past, dram_stride = 64, rows = %rows, row_bytes = 64, local = %positions, local_stride = 64) {queue = "ld1"} : index, index, index, !host.buffer<4x32xf16>
// CHECK-NEXT:     npu.binary(op = add, dst = %x + 64 * %first, dst_stride = 64, dst_type = f16, a = %x + 64 * %first, a_stride = 64, a_type = f16, b = %positions, b_stride = 64, b_type = f16, broadcast = tile, rows = %rows, cols = 32) : !host.buffer<4x32xf16>, index, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     %gain_2 = host.address_of @gain
// CHECK-NEXT:     npu.load(dram = %gain_2 + 64 * %layer, dram_stride = 64, rows = 1, row_bytes = 64, local = %gain_1, local_stride = 64) {queue = "ld1"} : index, index, !host.buffer<1x32xf16>
// CHECK-NEXT:     npu.reduce(op = sum_of_squares, dst = %factor, dst_stride = 4, a = %x, a_stride = 64, a_type = f16, rows = %rows, cols = 32) : !host.buffer<4xf32>, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     npu.unary(function = rsqrt, dst = %factor, dst_stride = 4, dst_type = f32, a = %factor, a_stride = 4, a_type = f32, rows = %rows, cols = 1, scale = 0.03125, bias = 9.999999747378752e-06) : !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.binary(op = mul, dst = %scaled, dst_stride = 128, dst_type = f32, a = %x, a_stride = 64, a_type = f16, b = %factor, b_stride = 4, b_type = f32, broadcast = column, rows = %rows, cols = 32) : !host.buffer<4x32xf32>, !host.buffer<4x32xf16>, !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.binary(op = mul, dst = %y, dst_stride = 64, dst_type = f16, a = %scaled, a_stride = 128, a_type = f32, b = %gain_1, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = 32) : !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, !host.buffer<1x32xf16>, index
// CHECK-NEXT:     %rope = host.address_of @rope
// CHECK-NEXT:     npu.load(dram = %rope + 64 * %past, dram_stride = 64, rows = %rows, row_bytes = 64, local = %angles, local_stride = 64) {queue = "ld1"} : index, index, index, !host.buffer<4x16xf32>
// CHECK-NEXT:     npu.rope(dst = %x + 64 * %first, dst_stride = 64, a = %x + 64 * %first, a_stride = 64, table = %angles, table_stride = 64, rows = %rows, heads = 2, head_dim = 16, style = half) : !host.buffer<4x32xf16>, index, !host.buffer<4x16xf32>, index
// CHECK-NEXT:     npu.binary(op = add, dst = %x, dst_stride = 64, dst_type = f16, a = %x, a_stride = 64, a_type = f16, b = %y, b_stride = 64, b_type = f16, broadcast = tile, rows = %rows, cols = 32) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     npu.unary(function = silu, dst = %y, dst_stride = 64, dst_type = f16, a = %x, a_stride = 64, a_type = f16, rows = %rows, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     %gain_3 = host.address_of @gain
// CHECK-NEXT:     npu.load(dram = %gain_3, dram_stride = 64, rows = 1, row_bytes = 64, local = %gain, local_stride = 64) {queue = "ld1"} : index, !host.buffer<1x32xf16>
// CHECK-NEXT:     npu.binary(op = add, dst = %y, dst_stride = 64, dst_type = f16, a = %x, a_stride = 64, a_type = f16, b = %gain, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = 32) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, !host.buffer<1x32xf16>, index
// CHECK-NEXT:     npu.argmax(dst = %t, a = %logits, a_stride = 200, rows = %rows, cols = 50) : !host.buffer<4xi32>, !host.buffer<4x50xf32>, index
// CHECK-NEXT:     func.return
// CHECK:        func.func @layer_norm(%x: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %centred = host.buffer : !host.buffer<4x32xf32>
// CHECK-NEXT:     %moment = host.buffer : !host.buffer<4xf32>
// CHECK-NEXT:     %gain = host.buffer : !host.buffer<1x32xf16>
// CHECK-NEXT:     %gain_1 = host.buffer : !host.buffer<1x32xf16>
// CHECK-NEXT:     %gain_2 = host.address_of @gain
// CHECK-NEXT:     npu.load(dram = %gain_2 + 64 * %layer, dram_stride = 64, rows = 1, row_bytes = 64, local = %gain_1, local_stride = 64) {queue = "ld1"} : index, index, !host.buffer<1x32xf16>
// CHECK-NEXT:     %gain_3 = host.address_of @gain
// CHECK-NEXT:     npu.load(dram = %gain_3 + 64 * %layer, dram_stride = 64, rows = 1, row_bytes = 64, local = %gain, local_stride = 64) {queue = "ld1"} : index, index, !host.buffer<1x32xf16>
// CHECK-NEXT:     npu.reduce(op = sum, dst = %moment, dst_stride = 4, a = %x, a_stride = 64, a_type = f16, rows = %rows, cols = 32) : !host.buffer<4xf32>, !host.buffer<4x32xf16>, index
// CHECK-NEXT:     npu.unary(function = copy, dst = %moment, dst_stride = 4, dst_type = f32, a = %moment, a_stride = 4, a_type = f32, rows = %rows, cols = 1, scale = 0.03125, bias = 0.0) : !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.binary(op = sub, dst = %centred, dst_stride = 128, dst_type = f32, a = %x, a_stride = 64, a_type = f16, b = %moment, b_stride = 4, b_type = f32, broadcast = column, rows = %rows, cols = 32) : !host.buffer<4x32xf32>, !host.buffer<4x32xf16>, !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.reduce(op = sum_of_squares, dst = %moment, dst_stride = 4, a = %centred, a_stride = 128, a_type = f32, rows = %rows, cols = 32) : !host.buffer<4xf32>, !host.buffer<4x32xf32>, index
// CHECK-NEXT:     npu.unary(function = rsqrt, dst = %moment, dst_stride = 4, dst_type = f32, a = %moment, a_stride = 4, a_type = f32, rows = %rows, cols = 1, scale = 0.03125, bias = 9.999999747378752e-06) : !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.binary(op = mul, dst = %centred, dst_stride = 128, dst_type = f32, a = %centred, a_stride = 128, a_type = f32, b = %moment, b_stride = 4, b_type = f32, broadcast = column, rows = %rows, cols = 32) : !host.buffer<4x32xf32>, !host.buffer<4xf32>, index
// CHECK-NEXT:     npu.binary(op = mul, dst = %centred, dst_stride = 128, dst_type = f32, a = %centred, a_stride = 128, a_type = f32, b = %gain_1, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = 32) : !host.buffer<4x32xf32>, !host.buffer<1x32xf16>, index
// CHECK-NEXT:     npu.binary(op = add, dst = %x, dst_stride = 64, dst_type = f16, a = %centred, a_stride = 128, a_type = f32, b = %gain, b_stride = 0, b_type = f16, broadcast = row, rows = %rows, cols = 32) : !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, !host.buffer<1x32xf16>, index
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @gain : tensor<2x32xf16> layout #npu.row_major<row_bytes = 64>
  host.memory @rope : tensor<32x16xf32> layout #npu.rope_table<theta = 1.000000e+04>
  host.memory @table : tensor<50x32xf16> layout #npu.row_major<row_bytes = 64>
  func.func @vector(%t: !host.buffer<4xi32>, %x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %logits: !host.buffer<4x50xf32>, %first: index, %past: index, %rows: index, %layer: index) attributes {device = "npu"} {
    %v = host.view %x[%first] : !host.buffer<4x32xf16>
    npu.embed %t, @table -> %x rows %rows : !host.buffer<4xi32> -> !host.buffer<4x32xf16>
    npu.position_embed %v, @table at %past -> %v rows %rows {offset = 2 : i64} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.rms_norm %x, @gain[%layer] -> %y rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.rotary half %v, @rope at %past -> %v rows %rows {heads = 2 : i64, head_dim = 16 : i64} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.elementwise add %x, %y -> %x rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.elementwise silu %x -> %y rows %rows : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.bias %x, @gain -> %y rows %rows : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    npu.greedy %logits -> %t rows %rows {columns = 50 : i64} : !host.buffer<4x50xf32> -> !host.buffer<4xi32>
    func.return
  }
  func.func @layer_norm(%x: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.layer_norm %x, @gain, @gain[%layer] -> %x rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<4x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
}
