// Without `write_buffer`, a vector goes through a staging row of each channel.

// RUN: xdsl-opt %s -p pim-expand | filecheck %s

// CHECK:        func.func @gemv(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %w = host.address_of @w
// CHECK-NEXT:     scf.for %token = %c0 to %rows step %c1 {
// CHECK-NEXT:       scf.for %chunk = %c0 to %c1 step %c1 {
// CHECK-NEXT:         %staging = host.address_of @staging
// CHECK-NEXT:         scf.for %channel = %c0 to %c2 step %c1 {
// CHECK-NEXT:           pim.write(src = %x + 128 * %token + 128 * %chunk, channel = %channel, offset = 0, bytes = 128, bank = 0, row = %staging) : !host.buffer<4x64xf16>, index, index, index, index
// CHECK-NEXT:         }
// CHECK-NEXT:         pim.copy_row(column = 0, columns = 4, buffer_column = 0, channel = 0, channels = 2, bank = 0, row = %staging) : index
// CHECK-NEXT:         scf.for %row = %c0 to %c1 step %c1 {
// CHECK-NEXT:           pim.activate(row = %w + %chunk + %row, channel = 0, channels = 2) : index, index, index
// CHECK-NEXT:           scf.for %pass = %c0 to %c1 step %c1 {
// CHECK-NEXT:             pim.mac(column = 4 * %pass, columns = 4, buffer_column = 0, channel = 0, channels = 2) : index
// CHECK-NEXT:             pim.read_acc(space = local, dst = %y + 32 * %token + 64 * %row + 32 * %pass, channel_stride = 16, banks = 4, accumulate = %chunk, channel = 0, channels = 2) : !host.buffer<4x8xf32>, index, index, index, index
// CHECK-NEXT:           }
// CHECK-NEXT:           pim.precharge(channel = 0, channels = 2)
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

builtin.module attributes {pim.memory = #pim.memory<name = "t", channels = 2, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [copy_row, activate, mac, read_acc, precharge, write, read, scatter]>} {
  host.memory @staging : tensor<128xf16> layout #pim.staging<rows = 1>
  host.memory @w : tensor<8x64xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4], passes_per_row = [2], rows_of_chunk = [1], rows_per_layer = 1>
  func.func @gemv(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x8xf32>, %rows: index) attributes {device = "pim"} {
    pim.gemv %x, @w -> %y rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x8xf32>
    func.return
  }
}
