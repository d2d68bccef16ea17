// Places become numbers in the fields; what is known only at run time stays: arguments, loop counters, slots.

// RUN: xdsl-opt %s -p lower-to-machine | filecheck %s

// A ring stays for its slots. The buffers of the plan are not touched.
// CHECK:        func.func @npu(%x: !host.buffer<4x64xf16>, %first: index) attributes {device = "npu"} {
// CHECK-NEXT:     %s = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:     %tile = host.buffer {slots = 2 : i64, address = 512 : i64} : !host.buffer<16x16xf16>
// CHECK-NEXT:     %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
// CHECK-NEXT:     npu.load(dram = 4160 + 128 * %first, dram_stride = 128, rows = 1, row_bytes = 512, local = 512 + 512 * %slot, local_stride = 512) post(%s : 2) {source = "w"} : index, index, !npu.semaphore
// CHECK-NEXT:     npu.preload(array = 0, weights = 512 + 512 * %slot, weights_stride = 32, k = 16, n = 16) wait(%s : 2) : index, !npu.semaphore
// CHECK-NEXT:     npu.matmul(array = 0, a = %x + 128 * %first, a_stride = 128, m = 4, k = 16, n = 16, acc = 0, acc_stride = 64, accumulate = 0) : !host.buffer<4x64xf16>, index
// CHECK-NEXT:     func.return
// CHECK:        func.func @pim(%y: !host.buffer<4x24xf32>, %layer: index) attributes {device = "pim"} {
// CHECK-NEXT:     pim.activate(row = 7 + 3 * %layer, channel = 0, channels = 2) : index
// CHECK-NEXT:     pim.read_acc(space = local, dst = %y, channel_stride = 16, banks = 4, channel = 0, channels = 2) : !host.buffer<4x24xf32>
// CHECK-NEXT:     func.return
// CHECK:        func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
// CHECK-NEXT:     %x = host.buffer {address = 0 : i64} : !host.buffer<4x64xf16>
// CHECK-NEXT:     func.return

builtin.module {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128> {address = 4096 : i64}
  host.memory @m : tensor<2x24x96xf16> layout #pim.matrix<chunk = 64, columns_of_chunk = [4, 2], passes_per_row = [2, 4], rows_of_chunk = [2, 1], rows_per_layer = 3> {row = 5 : i64}
  func.func @npu(%x: !host.buffer<4x64xf16>, %first: index) attributes {device = "npu"} {
    %s = npu.semaphore {initial = 0 : i64}
    %tile = host.buffer {slots = 2 : i64, address = 512 : i64} : !host.buffer<16x16xf16>
    %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
    %w = host.address_of @w
    npu.load(dram = 64 + %w + 128 * %first, dram_stride = 128, rows = 1, row_bytes = 512, local = %tile + 512 * %slot, local_stride = 512) post(%s : 2) {source = "w"} : index, index, !host.buffer<16x16xf16>, index, !npu.semaphore
    npu.preload(array = 0, weights = %tile + 512 * %slot, weights_stride = 32, k = 16, n = 16) wait(%s : 2) : !host.buffer<16x16xf16>, index, !npu.semaphore
    npu.matmul(array = 0, a = %x + 128 * %first, a_stride = 128, m = 4, k = 16, n = 16, acc = 0, acc_stride = 64, accumulate = 0) : !host.buffer<4x64xf16>, index
    func.return
  }
  func.func @pim(%y: !host.buffer<4x24xf32>, %layer: index) attributes {device = "pim"} {
    %m = host.address_of @m
    pim.activate(row = 2 + %m + 3 * %layer, channel = 0, channels = 2) : index, index
    pim.read_acc(space = local, dst = %y, channel_stride = 16, banks = 4, channel = 0, channels = 2) : !host.buffer<4x24xf32>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer {address = 0 : i64} : !host.buffer<4x64xf16>
    func.return
  }
}
