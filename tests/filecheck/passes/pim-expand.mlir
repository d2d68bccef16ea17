// A matrix-vector product over the rows of all banks: a loop for each kind of chunk.

// RUN: xdsl-opt %s -p pim-expand | filecheck %s

// 22 outputs in 8 units are 3 passes, two of them in a row of the first chunk and all three in that of the second. Sums of
// the second chunk are added where the first were written. The last pass ends inside a channel: two of its banks are read apart.
// CHECK:        func.func @gemv(%x: !host.buffer<4x96xf16>, %y: !host.buffer<4x22xf32>, %rows: index, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c-32 = arith.constant -32 : index
// CHECK-NEXT:     %c4 = arith.constant 4 : index
// CHECK-NEXT:     %c22 = arith.constant 22 : index
// CHECK-NEXT:     %c-8 = arith.constant -8 : index
// CHECK-NEXT:     %c-16 = arith.constant -16 : index
// CHECK-NEXT:     %c3 = arith.constant 3 : index
// CHECK-NEXT:     %c-2 = arith.constant -2 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       scf.for %chunk = %c0 to %c1 step %c1 {
// CHECK-NEXT:         pim.write_buffer(space = local, src = %x + 192 * %token + 128 * %chunk, channel_stride = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2) {source = "w"} : !host.buffer<4x96xf16>, index, index
// CHECK-NEXT:         scf.for %row = %c0 to %c2 step %c1 {
// CHECK-NEXT:           pim.activate(row = %w + 3 * %layer + 2 * %chunk + %row, channel = 0, channels = 2) {source = "w"} : index, index, index, index
// CHECK-NEXT:           %0 = arith.muli %row, %c-2 : index
// CHECK-NEXT:           %1 = arith.addi %0, %c3 : index
// CHECK-NEXT:           %passes = arith.minui %c2, %1 : index
// CHECK-NEXT:           scf.for %pass = %c0 to %passes step %c1 {
// CHECK-NEXT:             %2 = arith.muli %row, %c-16 : index
// CHECK-NEXT:             %3 = arith.muli %pass, %c-8 : index
// CHECK-NEXT:             %4 = arith.addi %2, %3 : index
// CHECK-NEXT:             %5 = arith.addi %4, %c22 : index
// CHECK-NEXT:             %6 = arith.ceildivui %5, %c4 : index
// CHECK-NEXT:             %channels = arith.minui %c2, %6 : index
// CHECK-NEXT:             %7 = arith.muli %row, %c-16 : index
// CHECK-NEXT:             %8 = arith.muli %pass, %c-8 : index
// CHECK-NEXT:             %9 = arith.addi %7, %8 : index
// CHECK-NEXT:             %10 = arith.addi %9, %c22 : index
// CHECK-NEXT:             %11 = arith.divui %10, %c4 : index
// CHECK-NEXT:             %full = arith.minui %c2, %11 : index
// CHECK-NEXT:             pim.mac(column = 4 * %pass, columns = 4, buffer_column = 0, channel = 0, channels = %channels) {source = "w"} : index, index
// CHECK-NEXT:             pim.read_acc(space = local, dst = %y + 88 * %token + 64 * %row + 32 * %pass, channel_stride = 16, banks = 4, accumulate = %chunk, channel = 0, channels = %full) {source = "w"} : !host.buffer<4x22xf32>, index, index, index, index, index
// CHECK-NEXT:             %12 = arith.muli %row, %c2 : index
// CHECK-NEXT:             %13 = arith.addi %12, %pass : index
// CHECK-NEXT:             %14 = arith.addi %13, %c1 : index
// CHECK-NEXT:             %last = arith.divui %14, %c3 : index
// CHECK-NEXT:             scf.for %tail = %c0 to %last step %c1 {
// CHECK-NEXT:               pim.read_acc(space = local, dst = %y + 88 * %token + 64 * %row + 32 * %pass + 16 * %full, channel_stride = 16, banks = 2, accumulate = %chunk, channel = %full, channels = 1) {source = "w"} : !host.buffer<4x22xf32>, index, index, index, index, index
// CHECK-NEXT:             }
// CHECK-NEXT:           }
// CHECK-NEXT:           pim.precharge(channel = 0, channels = 2) {source = "w"}
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:       scf.for %chunk_1 = %c0 to %c1 step %c1 {
// CHECK-NEXT:         pim.write_buffer(space = local, src = 128 + %x + 192 * %token + 128 * %chunk_1, channel_stride = 0, columns = 2, buffer_column = 0, channel = 0, channels = 2) {source = "w"} : !host.buffer<4x96xf16>, index, index
// CHECK-NEXT:         scf.for %row_1 = %c0 to %c1 step %c1 {
// CHECK-NEXT:           pim.activate(row = 2 + %w + 3 * %layer + %chunk_1 + %row_1, channel = 0, channels = 2) {source = "w"} : index, index, index, index
// CHECK-NEXT:           scf.for %pass_1 = %c0 to %c3 step %c1 {
// CHECK-NEXT:             %15 = arith.muli %row_1, %c-32 : index
// CHECK-NEXT:             %16 = arith.muli %pass_1, %c-8 : index
// CHECK-NEXT:             %17 = arith.addi %15, %16 : index
// CHECK-NEXT:             %18 = arith.addi %17, %c22 : index
// CHECK-NEXT:             %19 = arith.ceildivui %18, %c4 : index
// CHECK-NEXT:             %channels_1 = arith.minui %c2, %19 : index
// CHECK-NEXT:             %20 = arith.muli %row_1, %c-32 : index
// CHECK-NEXT:             %21 = arith.muli %pass_1, %c-8 : index
// CHECK-NEXT:             %22 = arith.addi %20, %21 : index
// CHECK-NEXT:             %23 = arith.addi %22, %c22 : index
// CHECK-NEXT:             %24 = arith.divui %23, %c4 : index
// CHECK-NEXT:             %full_1 = arith.minui %c2, %24 : index
// CHECK-NEXT:             pim.mac(column = 2 * %pass_1, columns = 2, buffer_column = 0, channel = 0, channels = %channels_1) {source = "w"} : index, index
// CHECK-NEXT:             pim.read_acc(space = local, dst = %y + 88 * %token + 128 * %row_1 + 32 * %pass_1, channel_stride = 16, banks = 4, accumulate = 1 + %chunk_1, channel = 0, channels = %full_1) {source = "w"} : !host.buffer<4x22xf32>, index, index, index, index, index
// CHECK-NEXT:             %25 = arith.muli %row_1, %c4 : index
// CHECK-NEXT:             %26 = arith.addi %25, %pass_1 : index
// CHECK-NEXT:             %27 = arith.addi %26, %c1 : index
// CHECK-NEXT:             %last_1 = arith.divui %27, %c3 : index
// CHECK-NEXT:             scf.for %tail_1 = %c0 to %last_1 step %c1 {
// CHECK-NEXT:               pim.read_acc(space = local, dst = %y + 88 * %token + 128 * %row_1 + 32 * %pass_1 + 16 * %full_1, channel_stride = 16, banks = 2, accumulate = 1 + %chunk_1, channel = %full_1, channels = 1) {source = "w"} : !host.buffer<4x22xf32>, index, index, index, index, index
// CHECK-NEXT:             }
// CHECK-NEXT:           }
// CHECK-NEXT:           pim.precharge(channel = 0, channels = 2) {source = "w"}
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {
  host.memory @w : tensor<2x22x96xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [2, 1], rows_per_layer = 3>
  func.func @gemv(%x: !host.buffer<4x96xf16>, %y: !host.buffer<4x22xf32>, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.gemv %x, @w[%layer] -> %y rows %rows {source = "w"} : !host.buffer<4x96xf16> -> !host.buffer<4x22xf32>
    func.return
  }
}
